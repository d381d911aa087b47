"""The baselines, against pipelines written out in scikit-learn."""

import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline

from fastlstm.datasets import load_reviews
from fastlstm.estimator.baselines import majority_baseline, make_analyzer, tfidf_baseline


def test_majority():
    result = majority_baseline(["b", "a", "b"], ["a", "b", "b", "b"])
    assert result.accuracy == 0.75
    assert result.macro_f1 == pytest.approx((0 + 6 / 7) / 2)
    assert result.seconds >= 0


def monolingual(language, split):
    """Texts and labels of the bundled reviews, without Chinese ones that hold Latin letters."""
    reviews = load_reviews(language, split)
    pairs = [
        (text, label)
        for text, label in zip(reviews.texts[::5], reviews.labels[::5], strict=True)
        if language == "en" or not re.search("[A-Za-z]", text)
    ]
    return tuple(zip(*pairs, strict=True))


@pytest.mark.parametrize(
    ("language", "features"),
    [
        ("en", {"ngram_range": (1, 2)}),
        ("zh", {"analyzer": "char", "ngram_range": (1, 3)}),
    ],
)
def test_tfidf_equals_the_pipeline(language, features):
    train, test = monolingual(language, "train"), monolingual(language, "test")
    pipeline = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, **features), LogisticRegression(C=10, max_iter=1000)
    )
    expected = pipeline.fit(*train).predict(test[0])
    result = tfidf_baseline(*train, *test)
    assert result.accuracy == np.mean(expected == np.array(test[1]))
    assert result.macro_f1 == pytest.approx(f1_score(test[1], expected, average="macro"))


def test_the_features_of_a_document_follow_its_script():
    analyze = make_analyzer()
    assert analyze("Good film") == ["good", "film", "good film"]
    assert analyze("好电影") == ["好", "电", "影", "好电", "电影", "好电影"]
    assert "the actor" in analyze("the actor 王 was great")
    assert "อร่" in analyze("อร่อย")
    assert analyze("!!! 123 :)") == ["123"]


def test_documents_without_any_feature():
    result = tfidf_baseline(["!", "?", "?"], ["a", "b", "b"], ["!", "?"], ["a", "b"])
    assert result.accuracy == 0.5
