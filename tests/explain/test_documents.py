"""Explanations by whole models."""

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, datasets
from fastlstm.explain import (
    METHODS,
    PREDICTED,
    confident_errors,
    explanation_page,
    faithfulness,
    moving_words,
)
from fastlstm.explain.linear import linear_contributions

SMALL = {
    "embedding_dim": 16, "hidden_size": 8, "n_estimators": 2, "max_epochs": 3, "random_state": 0,
    "max_length": 30, "segment_length": 12, "batch_size": 32,
}  # fmt: skip
TEXTS = [
    "A <b>great</b> film, I loved every minute &amp; would watch it again!",
    "Terrible. A waste of money, the zipper broke after two days.",
    "质量太差，用了两天就坏了。",
    "good " * 60,
    "",
    "zzzz qqqq",
]


pytestmark = pytest.mark.filterwarnings("ignore::fastlstm.TruncationWarning")


@pytest.fixture(scope="module")
def reviews():
    """Those that are clearly for or against."""
    found = datasets.load_reviews(split="train")
    kept = [i for i, label in enumerate(found.labels) if label != "neutral"]
    assert 0 < len(kept) < len(found.labels)
    return Reviews([found.texts[i] for i in kept], [found.labels[i] for i in kept])


class Reviews(NamedTuple):
    texts: list
    labels: list


def fitted(texts, labels, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastlstm.TruncationWarning)
        return LSTMSentimentClassifier(**{**SMALL, **options}).fit(texts, labels)


@pytest.fixture(scope="module")
def clf(reviews):
    return fitted(reviews.texts, reviews.labels)


@pytest.fixture(scope="module")
def three():
    """A model of three classes."""
    everything = datasets.load_reviews(split="train")
    return fitted(everything.texts, everything.labels)


def tolerance(found):
    """What integrated gradients may leave unexplained."""
    return np.maximum(0.01 * np.abs(found.logits - found.baseline), 0.001) + 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_contributions_baseline_and_gap_add_up(clf, method):
    scores = clf.decision_function(TEXTS)
    chances = clf.predict_proba(TEXTS)
    explanations = clf.explain(TEXTS, method=method)
    for text, found, score, chance in zip(TEXTS, explanations, scores, chances, strict=True):
        assert found.text == text and found.method == method
        assert found.targets.tolist() == clf.classes_.tolist()
        assert found.contributions.shape == (len(found.tokens), 2)
        total = found.baseline + found.contributions.sum(axis=0) + found.gap
        assert np.allclose(total, found.logits)
        assert np.allclose(found.logits, [-score, score], atol=1e-5)
        assert np.allclose(found.contributions[:, 0], -found.contributions[:, 1])
        difference = np.abs(found.logits - found.baseline)
        if method == "integrated_gradients":
            assert (np.abs(found.gap) <= tolerance(found)).all()
        if method == "lrp":  # its conservation error
            assert (np.abs(found.gap) <= 0.25 * difference + 0.05).all()
        assert found.predicted == clf.classes_[chance.argmax()]
        assert found.probability == pytest.approx(chance.max(), abs=1e-6)
    assert len(explanations[4].tokens) == 0 and explanations[4].gap.tolist() == [0, 0]


def test_integrated_gradients_are_complete_within_one_percent(clf, reviews):
    for found in clf.explain(reviews.texts[:40]):
        assert (np.abs(found.gap) <= tolerance(found)).all()


def test_three_classes(three):
    scores = three.decision_function(TEXTS)
    for found, score in zip(three.explain(TEXTS), scores, strict=True):
        assert found.contributions.shape == (len(found.tokens), 3)
        assert np.allclose(found.logits, score, atol=1e-5)
        assert (np.abs(found.gap) <= tolerance(found)).all()
    (one,) = three.explain(TEXTS[:1], target="neutral")
    whole = three.explain(TEXTS[:1])[0]
    column = whole.targets.tolist().index("neutral")
    assert one.targets.tolist() == ["neutral"]
    assert np.allclose(one.logits[0], whole.logits[column], atol=1e-5)


def test_tokens_stand_where_their_offsets_say(clf):
    found = clf.explain(TEXTS[:1], method="gradient_x_input")[0]
    cut = [TEXTS[0][start:end] for start, end in found.offsets]
    assert cut[:3] == ["A", "great", "film"]
    assert found.tokens[:3] == ("a", "great", "film")


def test_tokens_that_the_networks_do_not_read_have_the_linear_part_alone(clf):
    (found,) = clf.explain([TEXTS[3]], method="lrp", target=clf.classes_[1])
    assert found.read.sum() == 30
    whole = clf.encoder_.read([TEXTS[3]])
    linear = linear_contributions(clf.wide_, whole, np.array([0])).positions[:, 0]
    share = clf.blend_.shares[1]
    assert np.allclose(found.contributions[~found.read, 0], share * linear[~found.read])
    assert not np.allclose(found.contributions[found.read, 0], share * linear[found.read])


def test_linear_contributions_are_exact(clf, three, reviews):
    for model, outputs in ((clf, [0]), (three, [2, 0])):
        whole = model.encoder_.read(reviews.texts[:50])
        found = linear_contributions(model.wide_, whole, np.array(outputs))
        sums = np.add.reduceat(found.positions, whole.offsets[:-1])
        expected = (model.wide_.logits(whole) - model.wide_.bias)[:, outputs]
        assert np.allclose(sums, expected, atol=1e-4)


def test_occlusion_takes_a_token_away(clf):
    (found,) = clf.explain(["a great film"], method="occlusion", target=clf.classes_[1])
    without = clf.decision_function(["great film", "a film", "a great"])
    whole = clf.decision_function(["a great film"])
    assert np.allclose(found.contributions[:, 0], whole - without, atol=1e-5)


def test_occlusion_of_a_long_document_takes_runs(clf):
    text = " ".join(["fine"] * 500 + ["bad"] * 500)
    (found,) = clf.explain([text], method="occlusion", target=clf.classes_[1])
    assert found.contributions.shape == (1000, 1)
    assert np.array_equal(found.contributions[0], found.contributions[2])
    assert found.passes == 1 + -(-1000 // 3)


def test_the_predictor_explains_the_same(clf, tmp_path):
    clf.save(tmp_path / "model.fastlstm")
    predictor = Predictor(tmp_path / "model.fastlstm")
    for one, other in zip(predictor.explain(TEXTS), clf.explain(TEXTS), strict=True):
        assert one.tokens == other.tokens
        assert np.allclose(one.contributions, other.contributions, atol=1e-6)


def test_networks_without_a_linear_part(reviews):
    model = fitted(reviews.texts[:300], reviews.labels[:300], wide=None, ngrams=1, n_estimators=1)
    (found,) = model.explain(["a great film"])
    assert np.allclose(found.logits[1], model.decision_function(["a great film"]), atol=1e-5)
    assert np.abs(found.contributions).max() > 0


def test_mistakes_name_the_mend(clf):
    with pytest.raises(ValueError, match=r"method='shap' is not known; use one of 'integrated"):
        clf.explain(["fine"], method="shap")
    with pytest.raises(ValueError, match="target='joy' is none of the classes"):
        clf.explain(["fine"], target="joy")
    (found,) = clf.explain(["fine"], target=clf.classes_[0])
    with pytest.raises(ValueError, match="was not explained"):
        found.top(target=clf.classes_[1])
    with pytest.raises(ValueError, match="no document has a token"):
        faithfulness(clf, [""])
    with pytest.raises(ValueError, match="method='best' is not known"):
        faithfulness(clf, ["fine"], "best")
    with pytest.raises(ValueError, match="lime_samples=1 is too few; pass 2 or more"):
        faithfulness(clf, ["fine"], "lime", lime_samples=1)
    with pytest.raises(TypeError, match="clf is a LSTMClassifier; pass an LSTMSentimentClassifier"):
        faithfulness(LSTMClassifier(), ["fine"])
    with pytest.raises(ValueError, match="is none of the classes"):
        clf.explain(["fine"], target=clf.classes_.tolist())
    with pytest.raises(ValueError, match="n=0 is less than 1"):
        moving_words([found], clf.classes_[0], n=0)
    with pytest.raises(ValueError, match="n=-1 is negative"):
        found.top(-1)
    with pytest.raises(ValueError, match="y has 1 labels and X 2 documents"):
        confident_errors(clf, ["fine", "bad"], clf.classes_[:1])
    with pytest.raises(ValueError, match="y has label 1 in row 0, which is not among"):
        confident_errors(clf, ["fine"], [1])


def test_top_and_text(clf):
    (found,) = clf.explain(["a great film\x1b[31m"])
    strongest = found.top(2)
    values = np.abs(found.contributions[:, found.column()])
    assert abs(strongest[0][1]) == values.max() and len(strongest) == 2
    assert strongest[0][0] in str(found) and "\x1b" not in str(found)
    assert found.as_dict()["tokens"][1] == "great"


def test_words_that_moved_a_class(clf, reviews):
    explanations = clf.explain(reviews.texts[:120], method="lrp")
    words = moving_words(explanations, clf.classes_[1], n=5)
    totals = [word.total for word in words]
    assert len(words) == 10 and totals == sorted(totals, reverse=True)
    first = words[0]
    places = [
        found.contributions[i, 1]
        for found in explanations
        for i, token in enumerate(found.tokens)
        if token == first.token
    ]
    assert first.total == pytest.approx(sum(places))
    assert first.mean == pytest.approx(np.mean(places))
    assert first.documents == sum(first.token in found.tokens for found in explanations)
    assert all(word.documents >= 2 for word in words)


def test_confident_errors(clf, reviews):
    found = confident_errors(clf, reviews.texts, reviews.labels, n=3)
    chances = clf.predict_proba(reviews.texts)
    wrong = clf.predict(reviews.texts) != np.asarray(reviews.labels)
    expected = np.sort(chances.max(axis=1)[wrong])[::-1][:3]
    assert [error.explanation.probability for error in found] == pytest.approx(expected, abs=1e-6)
    for error in found:
        assert reviews.labels[error.row] == error.label != error.explanation.predicted
    frame = pd.DataFrame({"review": reviews.texts})
    of_frame = confident_errors(clf, frame, pd.Series(reviews.labels), n=3)
    assert [error.row for error in of_frame] == [error.row for error in found]


def test_the_predicted_class_alone(three, reviews):
    texts = [*reviews.texts[:30], ""]
    expected = three.predict(texts).tolist()
    assert len(set(expected)) > 1
    whole = three.explain(texts, method="gradient_x_input")
    found = three.explain(texts, method="gradient_x_input", target=PREDICTED)
    for one, other, label in zip(found, whole, expected, strict=True):
        assert one.targets.tolist() == [label] == [one.predicted]
        column = other.column(label)
        assert np.allclose(one.contributions[:, 0], other.contributions[:, column], atol=1e-5)
        assert one.passes == other.passes // 3


def test_groups_of_tokens_change_nothing(clf, reviews, monkeypatch):
    texts = [*reviews.texts[:20], "", TEXTS[3]]
    whole = {m: clf.explain(texts, method=m) for m in ("lrp", "integrated_gradients", "occlusion")}
    monkeypatch.setattr("fastlstm.explain.documents._TOKENS_AT_ONCE", 50)
    for method, expected in whole.items():
        for one, other in zip(clf.explain(texts, method=method), expected, strict=True):
            assert np.allclose(one.contributions, other.contributions, atol=1e-5)
            assert np.allclose(one.baseline, other.baseline, atol=1e-6)


def test_faithfulness_of_a_good_order_and_a_bad_one(clf, reviews):
    texts = reviews.texts[:30]
    found = {m: faithfulness(clf, texts, m) for m in ("integrated_gradients", "lrp", "random")}
    chances = clf.predict_proba(texts).max(axis=1)
    for curves in found.values():
        assert curves.deletion.shape == (30, 21)
        assert np.allclose(curves.deletion[:, 0], chances, atol=1e-6)
        assert np.allclose(curves.insertion[:, -1], chances, atol=1e-6)
        assert np.allclose(curves.deletion[:, -1], curves.insertion[:, 0], atol=1e-6)
    for method in ("integrated_gradients", "lrp"):
        assert found[method].deletion_areas.mean() < found["random"].deletion_areas.mean()
        assert found[method].insertion_areas.mean() > found["random"].insertion_areas.mean()
        assert method in str(found[method])


def test_lime_is_another_order(clf, reviews):
    pytest.importorskip("lime")
    texts = reviews.texts[:3]
    curves = faithfulness(clf, texts, "lime", lime_samples=200)
    chance = faithfulness(clf, texts, "random")
    assert curves.passes.tolist() == [100] * 3  # of half the tokens each
    assert curves.deletion_areas.mean() < chance.deletion_areas.mean()


@pytest.mark.parametrize("times", [20, 50, 300])
def test_repeated_phrases_are_explained(clf, three, times):
    """Near some point of such a path all places change at once, and the logit jumps."""
    for model in (clf, three):
        (found,) = model.explain(["Awful phone, terrible! " * times])
        assert np.isfinite(found.contributions).all()
        assert (np.abs(found.gap) <= tolerance(found)).all()


def test_unknown_words_are_marked(clf):
    (found,) = clf.explain(["zzzz great qqqq zzzz"])
    assert found.known.tolist() == [False, True, False, False]
    assert "Not in the vocabulary: zzzz, qqqq." in str(found)
    page = explanation_page([found])
    assert page.count(' unknown" title') == 3
    assert "not in the vocabulary" in page
    (found,) = clf.explain(["great"])
    assert "vocabulary" not in str(found) + explanation_page([found])
