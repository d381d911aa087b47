"""The report of a training run."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from fastlstm import LSTMSentimentClassifier, datasets
from fastlstm.estimator.baselines import Score
from fastlstm.evaluation import reliability
from fastlstm.report.training import Run, Totals, bootstrap, confusion, training_report
from tests.browser import needs_chromium, visit


@pytest.fixture(scope="module")
def run():
    train = datasets.load_reviews(split="train")
    test = datasets.load_reviews(split="test")
    texts, labels = list(train.texts), [f"<{label}>" for label in train.labels]
    clf = LSTMSentimentClassifier(
        embedding_dim=16, hidden_size=8, n_estimators=2, max_epochs=3, random_state=0,
    ).fit(texts, labels)  # fmt: skip
    valid = [*test.texts[:60], texts[0], "", "<script>alert(1)</script>"]
    valid_labels = [*(f"<{label}>" for label in test.labels[:60]), labels[0], labels[0], labels[1]]
    scores = {"majority <class>": Score(0.5, 0.33, 0.0), "fastlstm": Score(0.8, 0.8, 1.0)}
    return Run(clf, texts, labels, valid, valid_labels, "of a <file>", scores)


@pytest.fixture(scope="module")
def html(run):
    return training_report(run, "Training on <reviews>.csv")


def test_it_says_what_there_is_to_know(run, html):
    for title in ("Scores", "Data", "Learning curves", "Classes", "Confusion", "Calibration",
                  "Accuracy by length", "Words that moved a class most", "Most confident errors",
                  "How it was trained"):  # fmt: skip
        assert f"<h2>{title}</h2>" in html
    assert "also stand among the training documents: 1. They flatter" in html
    assert html.count("<polyline") >= 5  # training and held out, twice; calibration
    assert f"backend {run.clf.backend_}" in html and "random_state" in html
    assert "<script" not in html and "&lt;reviews&gt;.csv" in html


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 4, size=(2, 200))
    predicted[predicted == 3] = 0  # a class that is never predicted
    counts = confusion(true, predicted, 4)
    assert np.array_equal(counts, confusion_matrix(true, predicted))
    expected = precision_recall_fscore_support(true, predicted, zero_division=0)[:3]
    totals = Totals.of(counts)
    assert np.allclose(totals.scores(), np.stack(expected, axis=1))
    assert totals.macro_f1() == pytest.approx(f1_score(true, predicted, average="macro"))
    assert totals.accuracy() == np.mean(true == predicted)


def test_the_mean_f1_is_of_classes_that_occur():
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    totals = Totals.of(confusion(true, predicted, 3))
    assert totals.macro_f1() == pytest.approx(f1_score(true, predicted, average="macro"))
    perfect = bootstrap(confusion(true, true, 3)).macro_f1()
    assert perfect.min() == perfect.max() == 1


def test_the_bootstrap_of_many_classes_is_small():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 1000, 3000)
    found = bootstrap(confusion(true, true, 1000))
    assert found.right.shape == (2000, 1000)
    assert (found.true.sum(axis=1) == 3000).all()


def test_the_bootstrap_spreads_as_resampled_documents_do():
    rng = np.random.default_rng(1)
    true = rng.integers(0, 2, 300)
    predicted = np.where(rng.random(300) < 0.8, true, 1 - true)
    quick = bootstrap(confusion(true, predicted, 2)).accuracy()
    slow = [np.mean((true == predicted)[rng.integers(0, 300, 300)]) for _ in range(2000)]
    assert np.allclose(np.percentile(quick, [5, 50, 95]), np.percentile(slow, [5, 50, 95]),
                       atol=0.012)  # fmt: skip


def test_reliability_of_known_answers():
    said, happened, n = reliability([0.55, 0.6, 0.95, 1.0], [True, False, True, True], 10)
    assert n.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert said[5] == pytest.approx(0.575) and happened[5] == 0.5 and happened[9] == 1


@needs_chromium
def test_a_browser_shows_it_and_fetches_nothing(html, tmp_path):
    found = visit(html, tmp_path, "report", "--window-size=900,4000")
    assert found.console == [] and found.requests == []
    parsed = found.parsed()
    assert "script" not in parsed.tags and parsed.handlers == []
    assert parsed.tags.count("svg") >= 4


@needs_chromium
def test_it_fits_a_phone(html, tmp_path):
    wide = html.replace(
        "</body>", "<script>document.title = document.documentElement.scrollWidth</script></body>"
    ).replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';")
    found = visit(wide, tmp_path, "report-phone", "--window-size=500,900")
    assert int(found.dom.split("<title>")[1].split("<")[0]) <= 500
