"""Numbers as pages and terminals show them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews
from fastlstm.explain import explanation_page
from fastlstm.report.page.numbers import fixed


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (-0.004, ".2f", "0.00"),
        (-0.004, "+.2f", "+0.00"),
        (-0.0, ".2f", "0.00"),
        (0.004, "+.2f", "+0.00"),
        (-0.006, "+.2f", "-0.01"),
        (-0.0004, "+8.3f", "  +0.000"),
        (-12.5, "+8.3f", " -12.500"),
        (float("nan"), ".2f", "nan"),
        (np.float32(-0.001), ".2f", "0.00"),
    ],
)
def test_nothing_has_no_minus(value, form, shown):
    assert fixed(value, form) == shown


def test_no_explanation_shows_a_minus_of_nothing():
    reviews = load_reviews("en", "train")
    clf = LSTMSentimentClassifier(
        n_estimators=1, max_epochs=1, embedding_dim=8, hidden_size=8, random_state=0
    ).fit(reviews.texts[:90], reviews.labels[:90])
    (found,) = clf.explain(["a fine film, but dull"])
    tiny = np.full_like(found.gap, -1e-4)
    found = replace(found, gap=tiny, logits=tiny, baseline=tiny)
    for shown in (str(found), explanation_page([found])):
        assert not re.search(r"-0\.0+(?![0-9])", shown)
    assert "unexplained +0.00" in str(found)
