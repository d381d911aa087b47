"""The linear part: against scikit-learn's own pipeline of the same model."""

import signal
import time
import warnings

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from fastlstm.classifier import linear_fit
from fastlstm.classifier import linear_part as module
from fastlstm.classifier.blend import fit_blend
from fastlstm.classifier.linear_fit import fit_linear_part
from fastlstm.core.threads import ShardPool
from fastlstm.kernels.registry import load_backend
from fastlstm.network.losses import softmax_cross_entropy
from fastlstm.text.encoder import TextEncoder, TextOptions
from tests.helpers import assert_close

K = load_backend("auto")

WORDS = [
    "good",
    "bad",
    "film",
    "plot",
    "not",
    "very",
    "dull",
    "fine",
    "cast",
    "and",
    "but",
    "rather",
]


def drawn_texts(n=150, n_classes=2, seed=0):
    """Texts whose class makes some words likelier."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    texts = []
    for label in y:
        chances = np.ones(len(WORDS))
        chances[label::n_classes] += 0.6
        size = rng.integers(1, 9)
        texts.append(" ".join(rng.choice(WORDS, size, p=chances / chances.sum())))
    return texts, y


def encoded(texts):
    options = TextOptions(max_features=5, max_length=None)
    encoder, encoded = TextEncoder.learn(texts, options, 2)
    return encoder, encoded.whole


def nb_lr(texts, y, weight, new, label):
    """Logits of class ``label`` by scikit-learn's counts and regression, from eq. (112)."""
    vectorizer = CountVectorizer(
        token_pattern=r"\w+", ngram_range=(1, 3), min_df=2, binary=True, vocabulary=None
    )
    return vectorizer, *_fit(vectorizer.fit_transform(texts), y == label, weight), new


def _fit(X, target, weight):
    X = X.toarray().astype(float)
    p, q = 1 + weight[target] @ X[target], 1 + weight[~target] @ X[~target]
    ratio = np.log(p / p.sum()) - np.log(q / q.sum())
    model = LogisticRegression(C=linear_fit.PENALTY_C, solver="liblinear", dual=True, tol=1e-10,
                               max_iter=100_000, random_state=0)  # fmt: skip
    model.fit(X * ratio, target, sample_weight=weight)
    return model.coef_[0] * ratio, model.intercept_[0]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("at_once", [7, 1 << 21])
def test_logits_are_those_of_scikit_learn(n_classes, at_once, monkeypatch):
    monkeypatch.setattr(module, "TOKENS_AT_ONCE", at_once)
    monkeypatch.setattr(linear_fit, "TOKENS_AT_ONCE", at_once)
    texts, y = drawn_texts(n_classes=n_classes)
    new, _ = drawn_texts(60, n_classes, seed=1)
    new += ["", "unheard of", "good good good"]
    weight = np.random.default_rng(2).uniform(0.5, 2, len(y))
    encoder, sequences = encoded(texts)
    wide, _ = fit_linear_part(K, sequences, len(encoder.vocabulary), y, weight, n_classes)
    found = wide.logits(encoder.read(new))
    for column, label in enumerate([1] if n_classes == 2 else range(3)):
        vectorizer, coefficients, constant, _ = nb_lr(texts, y, weight, new, label)
        expected = vectorizer.transform(new).toarray() @ coefficients + constant
        assert_close(found[:, column], expected, 2e-4)
    assert found[-3].tolist() == found[-2].tolist() == wide.bias.tolist()


def test_out_of_fold_logits_do_not_see_the_document(monkeypatch):
    """Labels of a fold change the logits of the others, never its own."""
    texts, y = drawn_texts(200)
    encoder, sequences = encoded(texts)
    ones, n_tokens = np.ones(len(y)), len(encoder.vocabulary)
    folds = [np.arange(200)[i::4] for i in range(4)]
    monkeypatch.setattr(linear_fit, "_folds", lambda *_: folds)
    _, before = fit_linear_part(K, sequences, n_tokens, y, ones, 2)
    for test in folds:
        rest = np.setdiff1d(np.arange(200), test)
        flipped = y.copy()
        flipped[test] = 1 - y[test]
        _, after = fit_linear_part(K, sequences, n_tokens, flipped, ones, 2)
        assert np.array_equal(after[test], before[test])
        assert (after[rest] != before[rest]).mean() > 0.9


@pytest.mark.parametrize("n_classes", [2, 5])
def test_folds_are_those_of_scikit_learn_without_a_warning(n_classes):
    rng = np.random.default_rng(n_classes)
    for n in (7, 50, 203):
        y = rng.permutation(np.concatenate([[0], rng.integers(0, n_classes, n)]))
        y = np.unique(y, return_inverse=True)[1]
        n_folds = min(linear_fit.N_FOLDS, np.bincount(y).max())
        split = StratifiedKFold(n_folds, shuffle=True, random_state=3).split(y, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = [left_out.tolist() for _, left_out in split]
        assert [left_out.tolist() for left_out in linear_fit._folds(y, 3)] == expected


def test_every_document_is_in_one_fold():
    _, y = drawn_texts(203, 3)
    folds = linear_fit._folds(y, 0)
    assert sorted(np.concatenate(folds)) == list(range(203))


def test_degenerate_data():
    encoder, sequences = encoded(["good film", "bad plot", "dull"])
    n_tokens = len(encoder.vocabulary)
    wide, out_of_fold = fit_linear_part(K, sequences, n_tokens, np.array([0, 1, 1]), np.ones(3), 2)
    assert np.isfinite(wide.weights).all()
    # Two folds: one is fitted without the only document of class 0, on one of class 1.
    assert sorted(out_of_fold[:, 0]) == pytest.approx([0, np.log(2), np.log(2)])
    assert wide.logits(sequences) == pytest.approx(np.full((3, 1), np.log(1.5)), abs=1e-5)


class Interrupting:
    """The kernels, with Ctrl-C during a call of one."""

    def __init__(self, at=None):
        self.at, self.n_calls = at, 0

    def __getattr__(self, name):
        return getattr(K, name)

    def dual_descent(self, *arguments):
        self.n_calls += 1
        if self.n_calls == self.at:
            signal.raise_signal(signal.SIGINT)
        if self.at is not None and self.n_calls > self.at:
            time.sleep(0.01)  # as a large call would take
        return K.dual_descent(*arguments)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_ends_all_fits(n_threads):
    texts, y = drawn_texts(200, n_classes=3)
    encoder, sequences = encoded(texts)
    arguments = (sequences, len(encoder.vocabulary), y, np.ones(len(y)), 3)
    whole, interrupted = Interrupting(), Interrupting(at=5)
    with ShardPool(n_threads, K) as pool:
        fit_linear_part(whole, *arguments, pool=pool)
        with pytest.raises(KeyboardInterrupt):
            fit_linear_part(interrupted, *arguments, pool=pool)
    assert interrupted.n_calls < whole.n_calls / 2


def test_blend_has_the_least_cross_entropy():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 4000)
    truth = rng.standard_normal((4000, 3)) + 2 * np.eye(3)[y]
    parts = [2 * truth + rng.standard_normal((4000, 3)), rng.standard_normal((4000, 3))]
    weight = rng.uniform(0.5, 2, 4000)
    blend = fit_blend(parts, y, weight)

    def loss(shares, bias):
        logits = bias + shares[0] * parts[0] + shares[1] * parts[1]
        return softmax_cross_entropy(logits, y, weight / weight.sum())[0]

    least = loss(*blend)
    assert blend.shares[0] > 0.5
    assert 0 <= blend.shares[1] < 0.1
    for number in range(2):
        for step in (-0.05, 0.05):
            shares = blend.shares.copy()
            shares[number] = max(0, shares[number] + step)
            assert loss(shares, blend.bias) >= least - 1e-6
    assert loss(blend.shares, blend.bias + [0.1, 0, 0]) > least


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_one_part_without_bias_finds_the_temperature(temperature):
    rng = np.random.default_rng(1)
    logits = 2 * rng.standard_normal((20_000, 1))
    y = (rng.random(20_000) < 1 / (1 + np.exp(-logits[:, 0]))).astype(np.int64)
    blend = fit_blend([temperature * logits], y, np.ones(len(y)), with_bias=False)
    assert 1 / blend.shares[0] == pytest.approx(temperature, rel=0.05)
    assert not blend.bias.any()
