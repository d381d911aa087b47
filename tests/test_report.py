"""The report of a training run."""

import pytest

from fastlstm import LSTMSentimentClassifier, datasets
from fastlstm.evaluation import Score
from fastlstm.report.training import Run, training_report
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
    scores = {"majority <class>": Score(0.5, 0.33, 0.0, 2), "fastlstm": Score(0.8, 0.8, 1.0, 2)}
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
