"""What an explanation tells of attention."""

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMSentimentClassifier
from fastlstm.explain import explanation_page

TEXTS = ["a great film", "a dull day", "great fun at all", "a dull film", "not so bad"] * 8
LABELS = ["good", "bad", "good", "bad", "good"] * 8
SETTINGS = {
    "embedding_dim": 8, "hidden_size": 6, "n_estimators": 2, "max_epochs": 15, "random_state": 0,
    "pooling": "attention", "max_length": 6, "segment_length": 4, "learning_rate": 0.03,
    "average_decay": 0.0,
}  # fmt: skip
LONG = "a great film and a dull day at all, so it was great fun"


@pytest.fixture(scope="module")
def clf(tmp_path_factory):
    """So few documents teach next to no attention: its weights are made larger."""
    path = tmp_path_factory.mktemp("model") / "model.fastlstm"
    fitted = LSTMSentimentClassifier(**SETTINGS).fit(TEXTS, LABELS)
    for network in fitted.networks_:
        network.named["attention.w"] *= 30
    fitted.save(path)
    return fastlstm.load(path)


@pytest.mark.filterwarnings("ignore::fastlstm.TruncationWarning")
def test_shares_add_up_over_what_is_read(clf):
    one, empty, long = clf.explain([TEXTS[0], "", LONG])
    assert one.attention.shape == (3,) and one.attention.sum() == pytest.approx(1)
    assert one.attention.min() > 0 and np.ptp(one.attention) > 0.01
    assert len(empty.attention) == 0
    assert long.read.sum() == 6 < len(long.tokens)
    assert (long.attention > 0).tolist() == long.read.tolist()
    assert long.attention.sum() == pytest.approx(1)


def test_shares_are_the_softmax_of_scores(clf):
    """Of the outputs of both networks, by hand."""
    (found,) = clf.explain(TEXTS[:1])
    total = np.zeros(3)
    for parameters in clf.networks_:
        arrays = parameters.arrays()
        ids = clf.ngrams_.longest(clf.encoder_.encode(TEXTS[:1]).sequences).ids
        outputs = []
        for direction in ("forward", "reverse"):
            w_x, w_h, b = (
                arrays[f"lstm.0.{direction}.{n}"].astype(float) for n in ("w_x", "w_h", "b")
            )
            h, c, own = np.zeros(6), np.zeros(6), []
            for id_ in ids[::-1] if direction == "reverse" else ids:
                x = arrays["embedding"][id_].astype(float)
                while id_ >= clf.ngrams_.n_tokens:  # an n-gram's vector is added to its parent's
                    id_ = parameters.parents[id_ - clf.ngrams_.n_tokens]
                    x = x + arrays["embedding"][id_]
                i, f, g, o = np.split(x @ w_x + h @ w_h + b, 4)
                i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
                c = f * c + i * np.tanh(g)
                h = o * np.tanh(c)
                own.append(h)
            outputs.append(own[::-1] if direction == "reverse" else own)
        scores = np.exp(np.hstack(outputs) @ arrays["attention.w"])
        total += scores / scores.sum() / 2
    assert found.attention == pytest.approx(total, rel=1e-4)


def test_it_is_shown(clf):
    (found,) = clf.explain(TEXTS[:1])
    assert "No token has more than twice the attention of an average one." in str(found)
    assert found.as_dict()["attention"] == found.attention.tolist()
    (uneven,) = clf.explain(["great a a a a"])
    page = explanation_page([uneven])
    marked = uneven.attention * 5 > 2
    assert marked.tolist() == [True] + [False] * 4
    share = uneven.attention[0]
    assert f"twice the attention of an average token: great ({share:.1%})." in str(uneven)
    assert page.count('attended" title') == marked.sum() == page.count(", attention ") / 2
    assert "Words with a line above" in page
    other = LSTMSentimentClassifier(**{**SETTINGS, "pooling": "max"}).fit(TEXTS, LABELS)
    (without,) = other.explain(TEXTS[:1])
    assert without.attention is None
    assert "attention" not in str(without) and "attended" not in without._repr_html_()[2000:]
