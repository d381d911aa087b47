"""Displays."""

import numpy as np
import pytest
from sklearn.calibration import CalibrationDisplay
from sklearn.exceptions import NotFittedError
from sklearn.metrics import ConfusionMatrixDisplay

from fastlstm import (
    ExplanationDisplay,
    LearningHistoryDisplay,
    LSTMSentimentClassifier,
    datasets,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(scope="module")
def reviews():
    return datasets.load_reviews(split="train")


@pytest.fixture(scope="module")
def clf(reviews):
    return LSTMSentimentClassifier(
        embedding_dim=8, hidden_size=4, n_estimators=2, max_epochs=3, random_state=0
    ).fit(reviews.texts, reviews.labels)


@pytest.fixture(autouse=True)
def close():
    yield
    matplotlib.pyplot.close("all")


def test_learning_history(clf):
    display = LearningHistoryDisplay.from_estimator(clf)
    assert [ax.get_ylabel() for ax in display.axes_] == ["loss", "accuracy"]
    loss, accuracy = display.axes_
    assert len(loss.lines) == len(accuracy.lines) == 4  # two networks, training and held out
    first = [record for record in clf.history_ if record["network"] == 1]
    assert loss.lines[0].get_ydata().tolist() == [record["loss"] for record in first]
    assert loss.lines[1].get_ydata().tolist() == [record["val_loss"] for record in first]
    assert {text.get_text() for text in loss.get_legend().get_texts()} == {"training", "held out"}


def test_history_on_given_axes(clf):
    _, axes = matplotlib.pyplot.subplots(2)
    assert list(LearningHistoryDisplay.from_estimator(clf, axes=axes).axes_) == list(axes)


def test_an_unfitted_classifier_is_refused():
    with pytest.raises(NotFittedError):
        LearningHistoryDisplay.from_estimator(LSTMSentimentClassifier())


def test_explanation(clf):
    display = ExplanationDisplay.from_estimator(clf, "a great film, not at all dull", n=4)
    widths = [patch.get_width() for patch in display.ax_.patches]
    values = display.explanation.contributions[:, display.explanation.column()]
    strongest = np.sort(np.argsort(-np.abs(values), kind="stable")[:4])
    assert widths == pytest.approx(values[strongest])
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == [display.explanation.tokens[i] for i in strongest]


def test_a_dollar_is_no_formula(clf):
    display = ExplanationDisplay.from_estimator(clf, "$$ good film for $5")
    display.figure_.canvas.draw()
    assert "$$" in [label.get_text() for label in display.ax_.get_yticklabels()]


def test_displays_of_scikit_learn_take_the_classifier(clf, reviews):
    texts, labels = reviews.texts[:80], reviews.labels[:80]
    matrix = ConfusionMatrixDisplay.from_estimator(clf, texts, labels)
    assert matrix.confusion_matrix.sum() == 80
    two = LSTMSentimentClassifier(
        embedding_dim=8, hidden_size=4, n_estimators=1, max_epochs=3, random_state=0
    ).fit(texts, np.array(labels) == "positive")
    curve = CalibrationDisplay.from_estimator(two, texts, np.array(labels) == "positive", n_bins=5)
    assert len(curve.prob_true) > 0


def test_without_matplotlib_the_mend_is_named(clf, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[plot\]'"):
        LearningHistoryDisplay.from_estimator(clf)
