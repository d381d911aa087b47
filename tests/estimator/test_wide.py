"""The linear part beside the network, through the estimator and the model file."""

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMSentimentClassifier, Predictor, datasets
from fastlstm.core.errors import ModelFormatError
from fastlstm.network.losses import probabilities
from fastlstm.persist.container import read_container, write_container

# Streams that begin with few documents on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::fastlstm.VocabularyWarning")

SETTINGS = {
    "embedding_dim": 8, "hidden_size": 6, "max_epochs": 3, "wide": "nb", "max_features": 60,
    "max_length": 12, "random_state": 0, "n_estimators": 1, "calibrate": False, "ngrams": 1,
    "word_vectors": None,
}  # fmt: skip
NEW = ["a great little hotel", "never again", "", "unheardof", "房间 很 好"]


@pytest.fixture(scope="module")
def reviews():
    train, test = (datasets.load_reviews(split=part) for part in ("train", "test"))
    return train.texts[:400], np.asarray(train.labels)[:400], test.texts[:150], test.labels[:150]


@pytest.fixture(scope="module")
def fitted(auto_backend, reviews):
    with pytest.warns(fastlstm.TruncationWarning):
        return LSTMSentimentClassifier(**SETTINGS).fit(reviews[0], reviews[1])


def test_logits_are_the_blend_of_both_parts(fitted, reviews):
    encoder = fitted.encoder_
    whole = encoder.read(reviews[2])
    of_wide = fitted.wide_.logits(whole)
    of_network = fitted.scorer_.networks[0].logits(encoder.shorten(whole), fitted.class_prior_)
    shares, bias = fitted.blend_
    assert (shares >= 0).all()
    assert shares.any()
    expected = bias + shares[0] * of_network + shares[1] * of_wide
    assert fitted.decision_function(reviews[2]) == pytest.approx(expected, rel=1e-12)
    assert len(fitted.vocabulary_) == 60
    assert len(encoder.vocabulary) > 500
    assert whole.lengths.max() > 12


def test_the_parts_of_a_decision_sum_to_it(fitted, reviews):
    texts = [*reviews[2], "", "!"]
    parts = fitted.decision_parts(texts)
    assert list(parts) == ["networks", "linear_part", "bias"]
    total = sum(parts.values())
    assert total == pytest.approx(fitted.decision_function(texts), abs=1e-5)
    assert not parts["networks"][-2].any() and not parts["linear_part"][-2].any()
    whole = fitted.encoder_.read(texts)
    expected = fitted.blend_.shares[1] * fitted.wide_.logits(whole)
    assert parts["linear_part"][:-2] == pytest.approx(expected[:-2], rel=1e-6)
    alone = LSTMSentimentClassifier(**{**SETTINGS, "wide": None, "max_length": None})
    two = np.where(reviews[1] == "positive", 1, 0)
    found = alone.fit(reviews[0], two).decision_parts(texts)
    assert list(found) == ["networks", "bias"]
    assert found["networks"].shape == found["bias"].shape == (len(texts),)


def test_the_blend_is_fitted_on_documents_new_to_both(fitted, reviews, monkeypatch):
    """Out-of-fold logits of the linear part, of the documents the network did not see."""
    from fastlstm.classifier import fit as module
    from fastlstm.classifier import linear_fit, networks

    seen = {}

    def fit_linear_part(k, whole, n_tokens, y, *arguments, **options):
        wide, _ = real(k, whole, n_tokens, y, *arguments, **options)
        # The number of its document stands for a document's logit.
        return wide, np.arange(len(y), dtype=np.float32)[:, None]

    def fit_blend(logits, y, weight, with_bias):
        seen.update(rows=logits[1][:, 0].astype(int), y=y)
        return fitted.blend_

    real = linear_fit.fit_linear_part
    monkeypatch.setattr(linear_fit, "fit_linear_part", fit_linear_part)
    monkeypatch.setattr(module, "fit_blend", fit_blend)
    train = networks.train
    for early_stopping in (True, False):
        clf = LSTMSentimentClassifier(**SETTINGS, early_stopping=early_stopping)
        trained = []
        monkeypatch.setattr(networks, "train", spy(train, trained))
        with pytest.warns(fastlstm.TruncationWarning):
            clf.fit(reviews[0], reviews[1])
        assert len(set(seen["rows"].tolist())) == 40
        assert np.array_equal(clf.classes_[seen["y"]], reviews[1][seen["rows"]])
        assert len(trained[0].y) == 360
        held_out = clf.encoder_.encode([reviews[0][row] for row in seen["rows"]]).sequences
        in_training = {tuple(trained[0].sequences.document(i)) for i in range(360)}
        new = sum(tuple(held_out.document(i)) not in in_training for i in range(40))
        assert new >= 38  # texts that occur twice aside


def spy(method, trained):
    def train(job, pool, state, part, *arguments):
        trained.append(part.train)
        return method(job, pool, state, part, *arguments)

    return train


def test_file_and_predictor_give_the_same(fitted, tmp_path):
    path = tmp_path / "model.fastlstm"
    fitted.save(path)
    expected = fitted.predict_proba(NEW)
    assert np.array_equal(fastlstm.load(path).predict_proba(NEW), expected)
    assert np.array_equal(Predictor(path).predict_proba(NEW), expected)
    assert fastlstm.load(path).get_params() == fitted.get_params()


def test_a_document_without_a_token_gets_the_prior(fitted):
    assert fitted.predict_proba(["", "  "]) == pytest.approx(np.array([fitted.class_prior_] * 2))


@pytest.mark.filterwarnings("ignore::fastlstm.TruncationWarning")
def test_given_validation_documents_weigh_the_parts(reviews):
    clf = LSTMSentimentClassifier(**SETTINGS)
    clf.fit(reviews[0], reviews[1], X_val=reviews[2], y_val=reviews[3])
    other = LSTMSentimentClassifier(**SETTINGS)
    other.fit(reviews[0], reviews[1], X_val=reviews[2][:60], y_val=reviews[3][:60])
    assert np.array_equal(clf.networks_[0].flat, other.networks_[0].flat)
    assert np.array_equal(clf.wide_.weights, other.wide_.weights)
    assert not np.array_equal(clf.blend_.shares, other.blend_.shares)


@pytest.mark.filterwarnings("ignore::fastlstm.TruncationWarning")
def test_the_number_of_threads_changes_nothing(fitted, reviews):
    clf = LSTMSentimentClassifier(**SETTINGS, n_jobs=1).fit(reviews[0], reviews[1])
    assert np.array_equal(clf.predict_proba(NEW), fitted.predict_proba(NEW))


def test_three_classes_and_too_few_documents_to_hold_out():
    texts = ["fine film", "dull film", "a film"] * 6
    labels = ["good", "bad", "neutral"] * 6
    clf = LSTMSentimentClassifier(**{**SETTINGS, "max_epochs": 1}).fit(texts, labels)
    assert clf.blend_.shares.tolist() == [0.5, 0.5]
    assert clf.wide_.weights.shape[0] == 3
    assert clf.predict(["fine film", "dull film"]).tolist() == ["good", "bad"]
    found = clf.predict_proba(NEW)
    assert found == pytest.approx(probabilities(clf.decision_function(NEW)))
    assert found.sum(axis=1) == pytest.approx(1)


def test_learning_in_parts_is_for_what_a_fit_has_made(reviews):
    clf = LSTMSentimentClassifier(**{**SETTINGS, "max_length": None})
    clf.partial_fit(reviews[0], reviews[1])
    assert clf.wide_ is None
    assert clf.blend_.shares.tolist() == [1]
    clf.fit(reviews[0], reviews[1])
    wide, blend, weights = clf.wide_, clf.blend_, clf.networks_[0].flat.copy()
    before = wide.weights.copy()
    clf.partial_fit(reviews[0], reviews[1])
    assert clf.wide_.ngrams is wide.ngrams and clf.blend_ is blend
    assert not np.array_equal(clf.wide_.weights, before)
    assert np.array_equal(wide.weights, before)
    assert not np.array_equal(clf.networks_[0].flat, weights)


@pytest.mark.filterwarnings("ignore::fastlstm.TruncationWarning")
def test_going_on_without_it_leaves_the_network(reviews, tmp_path):
    clf = LSTMSentimentClassifier(**SETTINGS).fit(reviews[0], reviews[1])
    clf.set_params(wide=None).partial_fit(reviews[0], reviews[1])
    assert clf.wide_ is None
    expected = clf.predict_proba(NEW)
    clf.save(tmp_path / "model.fastlstm")
    assert np.array_equal(fastlstm.load(tmp_path / "model.fastlstm").predict_proba(NEW), expected)


def test_fitting_without_it_again_drops_it(fitted, reviews):
    clf = fastlstm.LSTMSentimentClassifier(**{**SETTINGS, "max_length": None, "max_epochs": 1})
    clf.fit(reviews[0], reviews[1])
    assert clf.wide_ is not None
    clf.set_params(wide=None).fit(reviews[0], reviews[1])
    assert clf.wide_ is None
    assert clf.blend_.shares.tolist() == [1]
    assert len(clf.encoder_.vocabulary) == clf.ngrams_.n_tokens


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda a, m: a.pop("wide.bias"), "wide.bias"),
        (lambda a, m: m.update(wide=False), "unexpected weights.*wide"),
        (lambda a, m: m.update(blend=None), "inconsistent"),
        (lambda a, m: m.update(n_networks=0), "for 0 networks"),
        (lambda a, m: m.update(n_networks=10**9), "networks"),
        (lambda a, m: m.update(n_networks=2), "weights"),
        (lambda a, m: m.update(n_networks="1"), "for '1' networks"),
        (lambda a, m: m.update(blend=[[0.5], [0.0]]), "inconsistent blend"),
        (lambda a, m: m.update(blend=[[0.5, -0.5], [0.0]]), "inconsistent blend"),
        (lambda a, m: m.update(blend=[[0.5, 0.5], [0.0, 0.0]]), "inconsistent blend"),
        (lambda a, m: m.update(blend=[[0.5, 0.5]]), "inconsistent"),
        (lambda a, m: m.update(blend=3), "inconsistent"),
        (lambda a, m: a.update({"wide.weights": a["wide.weights"][:, :-1]}), "wide.weights is"),
        (lambda a, m: a.update({"wide.bias": np.zeros(2, np.float32)}), "wide.bias is"),
        (lambda a, m: a.update({"wide.ngrams": a["wide.ngrams"][:, :1].copy()}), "linear part are"),
        (lambda a, m: a.update({"wide.ngrams": a["wide.ngrams"][::-1].copy()}), "order"),
        (lambda a, m: m["encoder"].update(n_known=10**9), "is no number of tokens"),
        (lambda a, m: m["encoder"].update(n_known=20), "inconsistent vocabulary"),
    ],
)
def test_an_inconsistent_file_is_refused(fitted, tmp_path, edit, match):
    path = tmp_path / "model.fastlstm"
    fitted.save(path)
    arrays, metadata = read_container(path)
    edit(arrays, metadata)
    write_container(path, arrays, metadata)
    for read in (fastlstm.load, Predictor):
        with pytest.raises(ModelFormatError, match=match):
            read(path)
