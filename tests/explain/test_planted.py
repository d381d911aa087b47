"""Generated texts in which it is known what decides."""

from functools import cache

import numpy as np
import pytest

from fastlstm import LSTMSentimentClassifier

FILLERS = [f"w{i}" for i in range(200)]
GOOD, BAD = ["great", "lovely", "superb"], ["awful", "dreadful", "poor"]


def decisive_word(rng):
    """One word of many decides."""
    label = int(rng.integers(2))
    planted = str(rng.choice(GOOD if label else BAD))
    return label, words(rng, 12) + [planted] + words(rng, 12), [planted]


def negation(rng):
    """Either kind of word with "not" before it or without: "not" turns the label round."""
    good, negated = rng.integers(2, size=2)
    word = str(rng.choice(GOOD if good else BAD))
    said = ["not", word] if negated else [word]
    planted = "not" if negated else word
    return int(good != negated), words(rng, 10) + said + words(rng, 10), [planted]


def contrast(rng):
    """Either kind of word before "but" says nothing; what follows it decides."""
    before, label = rng.integers(2, size=2)
    planted = str(rng.choice(GOOD if label else BAD))
    first = str(rng.choice(GOOD if before else BAD))
    text = words(rng, 6) + [first] + words(rng, 3) + ["but"] + words(rng, 3)
    return int(label), text + [planted] + words(rng, 6), [planted]


def words(rng, n):
    return [str(word) for word in rng.choice(FILLERS, int(rng.integers(n // 2, n + 1)))]


PLANTS = (decisive_word, negation, contrast)


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_the_planted_token_is_on_top(plant, method):
    share, accuracy = share_on_top(plant, method)
    assert accuracy >= 0.98  # else there is nothing to explain
    assert share >= 0.95


@cache
def fitted(plant):
    """A plain network that has learned the rule, and texts that it has not seen."""
    rng = np.random.default_rng(0)
    cases = [plant(rng) for _ in range(3100)]
    train, test = cases[:3000], cases[3000:]
    clf = LSTMSentimentClassifier(
        embedding_dim=24, hidden_size=16, n_estimators=1, max_epochs=20, random_state=0,
        token_dropout=0, dropout=0, embedding_dropout=0.2, word_vectors=None, ngrams=1, wide=None,
    )  # fmt: skip
    clf.fit([" ".join(text) for _, text, _ in train], [label for label, _, _ in train])
    return clf, test


def share_on_top(plant, method):
    """How often the planted token is the one that speaks most for the right class.

    Also the share of texts that the model has right.
    """
    clf, cases = fitted(plant)
    explanations = clf.explain([" ".join(text) for _, text, _ in cases], method=method)
    on_top, right = [], []
    for found, (label, _, planted) in zip(explanations, cases, strict=True):
        most = found.contributions[:, found.column(label)].argmax()
        on_top.append(found.tokens[most] in planted)
        right.append(found.predicted == label)
    return np.mean(on_top), np.mean(right)
