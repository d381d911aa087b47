"""``privacy`` of the estimators: what they refuse, promise, keep and forget."""

import json
import pickle

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, Privacy
from fastlstm.privacy import accounting, noise

pytest.importorskip("dp_accounting")
pytest.importorskip("randomgen")

RNG = np.random.default_rng(0)
X = RNG.integers(2, 50, (200, 8))
Y = (X < 20).sum(axis=1) > 3
IDS = {
    "vocabulary_size": 50, "early_stopping": False, "dropout": 0.0, "embedding_dropout": 0.0,
    "max_epochs": 2, "embedding_dim": 4, "hidden_size": 4,
}  # fmt: skip
WORDS = ["good", "bad", "film", "a"]
TEXTS = ["a good film", "a bad film"] * 20
LABELS = ["good", "bad"] * 20
TEXT = {
    "vocabulary": WORDS, "max_length": 600, "pooling": "max", "segment_state": "fresh",
    "ngrams": 1, "wide": None,
    "calibrate": False, "word_vectors": None, "dropout": 0.0, "embedding_dropout": 0.0,
    "token_dropout": 0.0, "max_epochs": 2, "n_estimators": 2, "embedding_dim": 4, "hidden_size": 4,
}  # fmt: skip


def private(**options):
    return LSTMClassifier(**{**IDS, "privacy": Privacy(epsilon=3.0), **options})


@pytest.fixture(scope="module")
def clf():
    return private().fit(X, Y)


def test_what_is_promised(clf):
    record = clf.privacy_
    assert 2.9 < record.epsilon <= 3.0 and record.delta == 200**-1.1
    assert (record.n_units, record.unit, record.repeatable) == (200, "document", False)
    (part,) = record.parts
    # Less than a batch of documents: all of them, in each of two steps.
    assert (part.sampling_rate, part.steps) == (1.0, 2)


def test_steps_and_rate():
    options = {"privacy": Privacy(noise_multiplier=2.0, expected_batch_size=30), "max_epochs": 3}
    found = private(**options, n_estimators=2).fit(X, Y)
    (part,) = found.privacy_.parts
    assert part.sampling_rate == 30 / 200 and part.steps == 2 * 3 * 7
    assert part.noise_multiplier == 2.0
    assert len(found.networks_) == 2


def test_nothing_is_told_of_the_documents(clf, tmp_path):
    assert clf.class_prior_.tolist() == [0.5, 0.5]
    assert clf.class_count_.tolist() == [1, 1]
    assert (clf.truncated_share_ if hasattr(clf, "truncated_share_") else None) is None
    for record in clf.history_:
        assert set(record) == {"epoch", "network", "learning_rate"}
    clf.save(tmp_path / "model.fastlstm")
    from safetensors import safe_open

    with safe_open(tmp_path / "model.fastlstm", framework="numpy") as file:
        content = json.loads(file.metadata()["content"])
    told = {"history_", "n_iter_", "stopped_by_", "class_count_", "privacy_", "n_features_in_"}
    assert set(content["fitted"]) == told
    assert content["fitted"]["privacy_"]["assumptions"]


def test_it_is_saved_and_pickled(clf, tmp_path):
    clf.save(tmp_path / "model.fastlstm")
    for again in (fastlstm.load(tmp_path / "model.fastlstm"), pickle.loads(pickle.dumps(clf))):
        assert again.privacy_ == clf.privacy_ and again.privacy == clf.privacy
        assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_texts(tmp_path):
    clf = LSTMSentimentClassifier(**TEXT, privacy=Privacy(epsilon=3.0)).fit(TEXTS, LABELS)
    assert clf.vocabulary_.keys() >= set(WORDS)
    assert clf.truncated_share_ is None and clf.vector_coverage_ is None
    assert clf.privacy_.parts[0].steps == 2 * 2
    clf.save(tmp_path / "model.fastlstm")
    lean = Predictor(tmp_path / "model.fastlstm")
    assert np.array_equal(lean.predict_proba(TEXTS[:2]), clf.predict_proba(TEXTS[:2]))
    clf.quantize().save(tmp_path / "small.fastlstm")
    assert fastlstm.load(tmp_path / "small.fastlstm").privacy_ == clf.privacy_


def test_noise_is_new_each_time_and_repeatable_with_a_seed():
    # The same first weights and masks each time, but for the noise.
    one, two = (private().fit(X, Y).predict_proba(X) for _ in range(2))
    assert not np.array_equal(one, two)
    seeded = [private(random_state=4).fit(X, Y) for _ in range(2)]
    assert np.array_equal(*(clf.predict_proba(X) for clf in seeded))
    assert seeded[0].privacy_.repeatable
    assert str(seeded[0].privacy_).startswith("NOT PRIVATE")


def test_people():
    unit = np.repeat(["ann", "bob", "cat", "dan"], 50)
    clf = private(privacy=Privacy(epsilon=3.0, unit=unit)).fit(X, Y)
    assert (clf.privacy_.n_units, clf.privacy_.unit) == (4, "array")
    assert clf.privacy_.delta == 4**-1.1
    with pytest.raises(ValueError, match=r"privacy.unit has shape \(3,\), and there are 200"):
        private(privacy=Privacy(epsilon=3.0, unit=[1, 2, 3])).fit(X, Y)


@pytest.mark.parametrize(
    ("leak", "mend"),
    [
        ({"early_stopping": True}, "early_stopping=False"),
        ({"calibrate": True}, "calibrate=False"),
        ({"ngrams": 2}, "ngrams=1"),
        ({"dropout": 0.1}, "dropout=0"),
        ({"embedding_dropout": 0.1}, "embedding_dropout=0"),
        ({"token_dropout": 0.1}, "token_dropout=0"),
        ({"word_vectors": "skipgram"}, "word_vectors=None"),
        ({"pooling": "auto"}, "pooling"),
        ({"segment_state": "auto"}, "segment_state"),
        ({"class_weight": "balanced"}, "class_weight"),
        ({"vocabulary_size": None}, "vocabulary_size"),
    ],
)
def test_a_leak_is_named(leak, mend):
    with pytest.raises(ValueError, match=f"promises nothing.* Set {mend}[^;]*$"):
        private(**leak).fit(X, Y)


@pytest.mark.parametrize(
    ("leak", "mend"),
    [
        ({"vocabulary": None}, "vocabulary to tokens"),
        ({"max_length": "auto"}, "max_length"),
        ({"wide": "nb"}, "wide=None"),
    ],
)
def test_a_leak_of_texts_is_named(leak, mend):
    with pytest.raises(ValueError, match=f"promises nothing.* Set {mend}[^;]*$"):
        LSTMSentimentClassifier(**{**TEXT, **leak}, privacy=Privacy(epsilon=3)).fit(TEXTS, LABELS)


def test_other_documents_are_refused():
    clf = private()
    with pytest.raises(ValueError, match="no X_val"):
        clf.fit(X, Y, X_val=X, y_val=Y)
    with pytest.raises(ValueError, match="no X_unlabelled"):
        clf.fit(X, Y, X_unlabelled=X)
    assert not hasattr(clf, "model_")
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": TEXTS, "stars": range(len(TEXTS))})
    texts = LSTMSentimentClassifier(**TEXT, privacy=Privacy(epsilon=3))
    with pytest.raises(ValueError, match="side=None"):
        texts.fit(table, LABELS)


def test_all_defaults_are_named_at_once():
    with pytest.raises(ValueError) as caught:
        LSTMSentimentClassifier(privacy=Privacy(epsilon=3)).fit(TEXTS, LABELS)
    for name in ("vocabulary", "max_length", "pooling", "ngrams", "wide", "calibrate",
                 "word_vectors", "dropout=", "embedding_dropout", "token_dropout"):  # fmt: skip
        assert name in str(caught.value)


def test_going_on_is_refused(clf):
    with pytest.raises(ValueError, match="partial_fit and privacy= do not go together"):
        private().partial_fit(X, Y)
    copy = pickle.loads(pickle.dumps(clf))
    for options in ({}, {"privacy": None}):
        with pytest.raises(ValueError, match="privacy"):
            copy.set_params(warm_start=True, **options).fit(X, Y)
        with pytest.raises(ValueError, match="privacy"):
            copy.partial_fit(X, Y)


def test_a_missing_package_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "randomgen", None)
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[privacy\]'"):
        noise.streams(1, None)
    assert len(noise.streams(3, 0)) == 3
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    accounting._epsilon.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[privacy\]'"):
        private().fit(X, Y)


def test_it_learns():
    rng = np.random.default_rng(1)
    many = rng.integers(2, 30, (4000, 10))
    right = (many < 12).sum(axis=1) > 3
    settings = {"embedding_dim": 16, "hidden_size": 16, "max_epochs": 5, "learning_rate": 0.05}
    clf = private(**settings, privacy=Privacy(epsilon=8.0)).fit(many, right)
    assert clf.privacy_.epsilon <= 8
    # Always the more frequent answer would be right in about 62 of 100.
    assert clf.score(many, right) > 0.8


def test_progress_tells_no_loss(capsys):
    private(verbose=1).fit(X, Y)
    said = capsys.readouterr().err
    assert "epoch 2: " in said and "loss" not in said
