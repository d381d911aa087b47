"""What a classifier has to beat: the majority class, and TF-IDF with a linear model."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import regex
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from fastlstm.evaluation import Score, score

_LETTER = regex.compile(r"\p{L}")
# Scripts written without spaces, in which a "word" between spaces is a whole clause.
_NO_SPACES = regex.compile(
    r"(?V1)[[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]&&\p{L}]"
)


def majority_baseline(y_train, y_test) -> Score:
    """Predict the most frequent training label for every document.

    Parameters
    ----------
    y_train, y_test : sequences of labels
        Of equally frequent labels the first in sorted order is taken.
    """
    started = time.perf_counter()
    labels, counts = np.unique(y_train, return_counts=True)
    predicted = [labels[counts.argmax()]] * len(y_test)
    return score(y_test, predicted, time.perf_counter() - started)


def tfidf_baseline(texts_train, y_train, texts_test, y_test, *, random_state=0) -> Score:
    """TF-IDF features with logistic regression (C=10).

    Features are word 1-grams and 2-grams; of documents that are mostly in a script
    without spaces (Chinese, Japanese, Thai and others), character 1- to 3-grams.

    Parameters
    ----------
    texts_train, texts_test : sequences of str
    y_train, y_test : sequences of labels
    random_state : int
        Passed to the logistic regression.

    Returns
    -------
    Score
        That of ``majority_baseline`` where no training document has a feature.
    """
    started = time.perf_counter()
    analyze = make_analyzer()
    if not any(analyze(text) for text in texts_train):
        return majority_baseline(y_train, y_test)
    predicted = tfidf_model(random_state).fit(texts_train, y_train).predict(texts_test)
    return score(y_test, predicted, time.perf_counter() - started)


def tfidf_model(random_state=0) -> Pipeline:
    """The classifier of ``tfidf_baseline``."""
    return make_pipeline(
        TfidfVectorizer(analyzer=make_analyzer(), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000, random_state=random_state),
    )


def make_analyzer() -> Callable[[str], list[str]]:
    """A function from a document to its n-grams, as ``tfidf_baseline`` counts them."""
    words = TfidfVectorizer(ngram_range=(1, 2)).build_analyzer()
    characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 3)).build_analyzer()

    def analyze(text):
        return characters(text) if _mostly_without_spaces(text) else words(text)

    return analyze


def _mostly_without_spaces(text: str) -> bool:
    if text.isascii():
        return False
    return 2 * len(_NO_SPACES.findall(text)) > len(_LETTER.findall(text))
