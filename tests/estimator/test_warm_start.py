"""``warm_start``: more networks, and parameters that would be ignored."""

from __future__ import annotations

import pickle
import signal

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, datasets
from fastlstm.core.errors import InterruptedFitWarning
from fastlstm.estimator.going_on import MAY_CHANGE, built_in
from fastlstm.training.interrupts import InterruptGuard, guarded_by
from fastlstm.training.loop import Trainer

REVIEWS = datasets.load_reviews("en", split="train")
TEXTS, LABELS = list(REVIEWS.texts[:200]), list(REVIEWS.labels[:200])
NEW = list(REVIEWS.texts[200:230])
SETTINGS = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 2, "warm_start": True,
            "random_state": 0}  # fmt: skip


def text(**settings):
    return LSTMSentimentClassifier(**{**SETTINGS, **settings})


def same(one, other):
    first, second = one.arrays(), other.arrays()
    return all(np.array_equal(first[name], second[name]) for name in first)


def same_networks(one, other):
    pairs = zip(one.networks_, other.networks_, strict=True)
    return all(same(*pair) for pair in pairs)


@pytest.mark.parametrize("settings", [
    {},
    {"wide": None, "calibrate": False},
    {"early_stopping": True, "word_vectors": None},
    {"ngrams": 1, "average_decay": 0.0},
], ids=["default", "networks alone", "early stopping", "plain"])  # fmt: skip
@pytest.mark.parametrize("steps", [(1, 3), (2, 3), (1, 2, 3)])
def test_networks_added_are_those_of_a_fresh_fit(settings, steps):
    whole = text(n_estimators=3, **settings).fit(TEXTS, LABELS)
    clf = text(**settings)
    for n in steps:
        clf.set_params(n_estimators=n).fit(TEXTS, LABELS)
    assert same_networks(clf, whole)
    assert [r["network"] for r in clf.history_] == [r["network"] for r in whole.history_]


def test_networks_added_without_an_int_as_random_state():
    """Their seed is that of the first fit, which the held-out parts come from."""
    for first, again in ((np.random.RandomState(3), np.random.RandomState(3)), (None, None)):
        clf = text(n_estimators=2, random_state=first).fit(TEXTS, LABELS)
        seed, before = clf._seed, clf.networks_
        clf.set_params(n_estimators=3).fit(TEXTS, LABELS)
        assert clf._seed == seed
        assert all(map(same, before, clf.networks_))
        if again is not None:
            whole = text(n_estimators=3, random_state=again).fit(TEXTS, LABELS)
            assert same_networks(clf, whole)


def test_networks_are_added_after_load_pickle_and_partial_fit(tmp_path):
    clf = text(n_estimators=1).fit(TEXTS, LABELS)
    whole = text(n_estimators=2).fit(TEXTS, LABELS)
    clf.save(tmp_path / "model.fastlstm")
    for twin in (fastlstm.load(tmp_path / "model.fastlstm"), pickle.loads(pickle.dumps(clf))):
        assert same_networks(twin.set_params(n_estimators=2).fit(TEXTS, LABELS), whole)
    clf.partial_fit(TEXTS[:5], LABELS[:5])
    before = clf.networks_[0]
    clf.set_params(n_estimators=2).fit(TEXTS, LABELS)
    assert same(clf.networks_[0], before)
    assert same(clf.networks_[1], whole.networks_[1])
    clf.partial_fit(TEXTS[:5], LABELS[:5])
    assert len(clf.networks_) == 2


def test_networks_are_added_to_those_of_ids():
    rng = np.random.default_rng(0)
    X, y = rng.integers(1, 40, (120, 8)), rng.integers(0, 2, 120)
    settings = {**SETTINGS, "calibrate": True}
    clf = LSTMClassifier(n_estimators=2, **settings).fit(X, y)
    clf.set_params(n_estimators=4).fit(X, y)
    whole = LSTMClassifier(n_estimators=4, **settings).fit(X, y)
    assert same_networks(clf, whole)


def test_what_networks_were_trained_on_is_not_held_out_later(monkeypatch):
    """One network alone leaves nothing out of so few documents; of three each does."""
    from fastlstm.classifier import fit

    seen, real = [], fit.of_held_out

    def held_out(networks, parts, *others):
        seen.append([part.valid is not None for part in parts])
        return real(networks, parts, *others)

    monkeypatch.setattr(fit, "of_held_out", held_out)
    clf = text(n_estimators=1).fit(TEXTS[:120], LABELS[:120])
    clf.set_params(n_estimators=3).fit(TEXTS[:120], LABELS[:120])
    whole = text(n_estimators=3).fit(TEXTS[:120], LABELS[:120])
    assert seen == [[False], [False, True, True], [True, True, True]]
    assert all(map(same, clf.networks_[1:], whole.networks_[1:]))


def test_fewer_networks_are_refused_as_by_forests():
    clf = text(n_estimators=3).fit(TEXTS, LABELS)
    before = clf.model_
    forest = RandomForestClassifier(3, warm_start=True).fit([[0], [1]], [0, 1])
    with pytest.raises(ValueError, match="n_estimators=2 must be larger or equal"):
        forest.set_params(n_estimators=2).fit([[0], [1]], [0, 1])
    for train in (clf.set_params(n_estimators=2).fit, clf.partial_fit):
        with pytest.raises(ValueError, match=r"n_estimators=2 is less than the 3 .* Set n_estim"):
            train(TEXTS, LABELS)
    with pytest.raises(ValueError, match="n_estimators=4 is more than the 3 networks"):
        clf.set_params(n_estimators=4).partial_fit(TEXTS, LABELS)
    assert clf.model_ is before
    clf.set_params(n_estimators=2, warm_start=False).fit(TEXTS, LABELS)
    assert len(clf.networks_) == 2


def test_ctrl_c_while_networks_are_added_keeps_those_that_are_whole(monkeypatch):
    clf = text(n_estimators=1, n_jobs=1).fit(TEXTS, LABELS)
    before, trainers, update = clf.networks_, [], Trainer._update

    def interrupt(self, *arguments):
        update(self, *arguments)
        trainers.append(self)
        if len(set(map(id, trainers))) == 2:
            signal.raise_signal(signal.SIGINT)

    told = pytest.warns(InterruptedFitWarning, match="network 3 of 4.* 2 of 4 networks")
    with monkeypatch.context() as patch, guarded_by(InterruptGuard()), told:
        patch.setattr(Trainer, "_update", interrupt)
        clf.set_params(n_estimators=4).fit(TEXTS, LABELS)
    assert clf.stopped_by_ == "interrupt"
    assert len(clf.networks_) == 2 and same(clf.networks_[0], before[0])
    whole = text(n_estimators=4).fit(TEXTS, LABELS)
    assert same(clf.networks_[1], whole.networks_[1])


# -- parameters that are built into the model --------------------------------------------------

OTHERS = {
    "tokenizer": "word", "lowercase": False, "max_features": 10, "min_df": 2, "max_length": 9,
    "truncation": "tail", "zh_script": "simplified", "normalize": None, "vocabulary": ["good"],
    "embedding_dim": 9, "hidden_size": 9, "num_layers": 2, "bidirectional": False,
    "cell": "rnn", "pooling": "mean", "segment_state": "carried", "segment_length": None,
    "ngrams": 1, "max_ngrams": 5,
    "word_vectors": None, "vocabulary_size": 90, "text_column": "text", "side": None,
    "targets": "steps",
}  # fmt: skip


@pytest.fixture(scope="module")
def models(auto_backend):
    rng = np.random.default_rng(0)
    X, y = rng.integers(1, 40, (40, 8)), rng.integers(0, 2, 40)
    settings = {**SETTINGS, "n_estimators": 1, "max_epochs": 1}
    return {
        LSTMSentimentClassifier: (text(**settings).fit(TEXTS, LABELS), TEXTS, LABELS),
        LSTMClassifier: (LSTMClassifier(**{**settings, "ngrams": 2}).fit(X, y), X, y),
    }


@pytest.mark.parametrize("kind", [LSTMSentimentClassifier, LSTMClassifier])
def test_every_parameter_may_change_or_is_refused_by_name(kind, models):
    clf, X, y = models[kind]
    before = clf.model_
    fixed = set(clf.get_params()) - MAY_CHANGE - {"n_estimators", "wide"}
    assert fixed <= set(OTHERS)
    for name in sorted(fixed):
        value, new = clf.get_params()[name], OTHERS[name]
        if new is value is None:
            new = {"word_vectors": "skipgram", "segment_length": 5}[name]
        clf.set_params(**{name: new})
        for train in (clf.fit, clf.partial_fit):
            message = f"{name} is now .*, but the fitted model was made with .* Set it back"
            with pytest.raises(ValueError, match=message):
                train(X, y)
        clf.set_params(**{name: value})
    assert clf.model_ is before


def test_parameters_that_may_change_are_parameters():
    for estimator in (text(), LSTMClassifier()):
        fixed = set(estimator.get_params()) - MAY_CHANGE
        assert set(built_in(estimator)) == fixed
    assert set(text().get_params()) >= MAY_CHANGE - {"step_dropout"}
    assert set(LSTMClassifier().get_params()) >= MAY_CHANGE - {"missing"}


def test_the_linear_part_may_be_taken_away_and_does_not_come_back():
    clf = text(n_estimators=1).fit(TEXTS, LABELS)
    twin = pickle.loads(pickle.dumps(clf))
    for each, train in ((clf, clf.fit), (twin, twin.partial_fit)):
        each.set_params(wide=None)
        train(TEXTS, LABELS)
        assert each.wide_ is None
        each.set_params(wide="nb")
        with pytest.raises(
            ValueError, match="wide is now 'nb', but the fitted model was made with"
        ):
            train(TEXTS, LABELS)


def test_parameters_may_be_equal_without_being_the_same():
    clf = text(n_estimators=1, vocabulary=np.array(["good", "bad"]), min_df=1).fit(TEXTS, LABELS)
    clf.set_params(vocabulary=np.array(["good", "bad"]), min_df=np.int64(1), ngrams=2)
    clf.fit(TEXTS, LABELS).partial_fit(TEXTS, LABELS)
    assert [record["epoch"] for record in clf.history_] == [1, 2, 3, 4, 5]


def test_a_fit_that_is_refused_does_not_change_what_is_remembered():
    clf = text(n_estimators=1).fit(TEXTS, LABELS)
    for _ in range(2):
        with pytest.raises(ValueError, match="ngrams is now 1, but the fitted model"):
            clf.set_params(ngrams=1).fit(TEXTS, LABELS)
    clf.set_params(ngrams=1, warm_start=False).fit(TEXTS, LABELS)
    clf.set_params(warm_start=True).fit(TEXTS, LABELS)
    assert clf.config_.n_ngrams == 0


def test_a_parameter_written_in_another_way_is_the_same(tmp_path):
    words = ["film", "good", "bad", "the"]
    dicts = {word: number for number, word in enumerate(words)}
    clf = text(n_estimators=1, vocabulary=dicts, normalize=["html", "fold"])
    clf.fit(TEXTS, LABELS).save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    again.set_params(vocabulary=dict(dicts), normalize=("fold", "html"), warm_start=True)
    again.partial_fit(TEXTS[:5], LABELS[:5])
    with pytest.raises(ValueError, match="vocabulary is now"):
        again.set_params(vocabulary=words[:3]).partial_fit(TEXTS[:5], LABELS[:5])


def test_vectors_that_a_file_does_not_keep_can_be_given_again(tmp_path):
    vectors = fastlstm.WordVectors(["good", "bad"], np.eye(2, 8, dtype=np.float32))
    clf = text(n_estimators=1, word_vectors=vectors).fit(TEXTS, LABELS)
    whole = text(n_estimators=2, word_vectors=vectors).fit(TEXTS, LABELS)
    clf.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm").set_params(word_vectors=vectors)
    assert same_networks(again.set_params(n_estimators=2).fit(TEXTS, LABELS), whole)


def test_a_pickle_from_before_there_were_parameters_can_be_used():
    clf = text(n_estimators=1, normalize=["tags"]).fit(TEXTS, LABELS)
    clf.partial_fit(TEXTS[:5], LABELS[:5])
    expected = clf.predict_proba(NEW)
    state = clf.__getstate__()
    for name in ("normalize", "zh_script", "vocabulary"):
        del state[name]
    state["_states"] = state["_states"].networks
    old = LSTMSentimentClassifier.__new__(LSTMSentimentClassifier)
    old.__setstate__(state)
    assert np.array_equal(old.predict_proba(NEW), expected)
    assert old.get_params()["normalize"] == ("tags",)
    old.partial_fit(TEXTS[:5], LABELS[:5])
    assert np.array_equal(
        old.predict_proba(NEW), clf.partial_fit(TEXTS[:5], LABELS[:5]).predict_proba(NEW)
    )
