"""SequenceData: features of steps, labels of steps, and what is missing."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split

import fastlstm
from fastlstm import LSTMClassifier, SequenceData, SideColumnWarning

SMALL = {"embedding_dim": 6, "hidden_size": 8, "random_state": 0, "max_epochs": 12,
         "learning_rate": 0.02, "dropout": 0.1, "embedding_dropout": 0.0}  # fmt: skip
OF_STEPS = {**SMALL, "targets": "steps", "max_epochs": 30, "batch_size": 8}


def make(n=120, n_features=3, missing=0.0, seed=0, by_step=False):
    """Sequences whose label lies in the sign of the first feature, and nothing else.

    That of a document is the sign of its mean, that of a step the sign at the step before.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 9, n)
    tokens = [rng.integers(2, 12, length) for length in lengths]
    features, labels = [], []
    for length in lengths:
        signs = rng.choice([-1.0, 1.0], length) if by_step else np.full(length, rng.choice([-1, 1]))
        values = rng.normal(scale=0.3, size=(length, n_features))
        values[:, 0] += signs
        labels.append((np.r_[1.0, signs[:-1]] > 0).astype(int) if by_step else int(signs[0] > 0))
        values[rng.random(length) < missing] = np.nan
        # Units and origins as different as those of pitch in hertz and of time in days.
        features.append(values * [200, 1e-3, 7] + [1e4, 0, -3])
    return tokens, features, labels


def test_what_features_tell_is_learned():
    tokens, features, y = make()
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**SMALL).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > 0.95
    blind = LSTMClassifier(**SMALL).fit(SequenceData(tokens)[:80], y[:80])
    assert blind.score(SequenceData(tokens)[80:], y[80:]) < 0.8
    assert model.config_.n_step_features == 3
    assert model.config_.n_gaps == 0


def test_features_alone():
    _, features, y = make()
    X = SequenceData(features=features)
    assert not X.has_tokens
    model = LSTMClassifier(**SMALL).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > 0.95
    assert (model.config_.vocabulary_size, model.config_.embedding_dim) == (2, 1)


def test_a_label_for_each_step():
    """That of a step is known from the step before: the state has to carry it."""
    tokens, features, y = make(by_step=True)
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**OF_STEPS).fit(X[:80], y[:80])
    found = model.predict(X[80:])
    assert [len(labels) for labels in found] == X[80:].lengths.tolist()
    right = np.concatenate(found) == np.concatenate(y[80:])
    assert right.mean() == model.score(X[80:], y[80:]) > 0.9
    probabilities = model.predict_proba(X[80:])
    assert [p.shape for p in probabilities] == [(n, 2) for n in X[80:].lengths]
    assert np.allclose(np.exp(model.predict_log_proba(X[:3])[1]), model.predict_proba(X[:3])[1])
    scores = model.decision_function(X[:5])
    parts = model.decision_parts(X[:5])
    for number, score in enumerate(scores):
        assert score.shape == (X.lengths[number],)
        assert np.allclose(sum(part[number] for part in parts.values()), score)
    assert model.class_prior_[1] == pytest.approx(np.concatenate(y[:80]).mean())
    assert model.history_[-1]["val_accuracy"] > 0.8


def test_labels_of_steps_as_text_weights_and_validation():
    tokens, features, y = make(by_step=True)
    X = SequenceData(tokens, features)
    words = [np.array(["no", "yes"])[labels] for labels in y]
    model = LSTMClassifier(**OF_STEPS, n_estimators=2, calibrate=True)
    model.fit(X[:80], words[:80], X_val=X[80:], y_val=words[80:])
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.score(X[80:], words[80:]) > 0.9
    # Weights of documents are those of all their steps; one of 0 leaves out what it weighs.
    weight = np.r_[np.ones(60), np.zeros(20)]
    by_document = LSTMClassifier(**OF_STEPS).fit(X[:80], words[:80], weight)
    of_steps = [np.full(n, w) for n, w in zip(X[:80].lengths, weight, strict=True)]
    by_step = LSTMClassifier(**OF_STEPS).fit(X[:80], words[:80], of_steps)
    assert all(map(np.array_equal, by_document.predict_proba(X), by_step.predict_proba(X)))
    flat = np.concatenate(of_steps)
    right = np.concatenate(by_step.predict(X[:80])) == np.concatenate(words[:80])
    expected = np.average(right, weights=flat)
    assert by_step.score(X[:80], words[:80], weight) == pytest.approx(expected)


def test_padded_arrays_and_sequences_are_the_same():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 7, 60)
    ids = np.zeros((60, 7), dtype=int)
    for row, length in enumerate(lengths):
        ids[row, :length] = rng.integers(1, 9, length)
    ragged = [row[:length] for row, length in zip(ids, lengths, strict=True)]
    y = (ids[:, 0] > 4).astype(int)
    expected = LSTMClassifier(**SMALL).fit(ids, y).predict_proba(ids)
    for X in (SequenceData(ids), SequenceData(ragged), SequenceData(tuple(map(list, ragged)))):
        assert np.array_equal(LSTMClassifier(**SMALL).fit(X, y).predict_proba(X), expected)
    # Labels and features may be padded, too.
    labels = (ids > 4).astype(int)
    by_step = LSTMClassifier(**OF_STEPS).fit(ids, labels)
    own = [row[:length] for row, length in zip(labels, lengths, strict=True)]
    again = LSTMClassifier(**OF_STEPS).fit(SequenceData(ragged), own)
    assert all(map(np.array_equal, by_step.predict_proba(ids), again.predict_proba(ids)))
    features = rng.normal(size=(60, 7, 2))
    own = [row[:length] for row, length in zip(features, lengths, strict=True)]
    one, other = SequenceData(ids, features), SequenceData(ragged, own)
    assert np.array_equal(one.sequences_.features, other.sequences_.features)
    assert np.array_equal(one.sequences_.ids, other.sequences_.ids)


def test_missing_steps_are_told_apart_from_zeros():
    """Where only the gaps tell the classes apart, a model that saw zeros there could not."""
    rng = np.random.default_rng(0)
    features, y = [], rng.integers(0, 2, 120)
    for label in y:
        values = rng.normal(size=(8, 2))
        values[rng.permutation(8)[: 3 if label else 1]] = np.nan
        features.append(values)
    X = SequenceData(features=features)
    model = LSTMClassifier(**{**SMALL, "max_epochs": 30}).fit(X[:90], y[:90])
    assert (model.config_.n_gaps, model.config_.n_step_features) == (1, 4)
    assert model.score(X[90:], y[90:]) > 0.9


def test_what_the_network_reads_of_gaps():
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [np.nan, 2.0], [3.0, 4.0], [np.nan, 6.0]])
    X = SequenceData(features=[values[:3], values[3:]])
    model = LSTMClassifier(**{**SMALL, "max_epochs": 1}).fit(X, [0, 1])
    read = model._encode(X, model.model_).sequences.features
    first, second = values[:, 0], values[:, 1]
    z = (first - np.nanmean(first)) / np.nanstd(first)
    assert read[:, 0] == pytest.approx(np.nan_to_num(z))
    z = (second - np.nanmean(second)) / np.nanstd(second)
    assert read[:, 1] == pytest.approx(np.nan_to_num(z))
    assert read[:, 2].tolist() == [0, 1, 1, 0, 1]
    assert read[:, 3].tolist() == [1, 1, 0, 0, 0]
    # The first document shows its second feature in its third step alone.
    assert np.expm1(read[:, 4]) == pytest.approx([0, 1, 2, 0, 1])
    assert np.expm1(read[:, 5]) == pytest.approx([1, 2, 0, 0, 0], abs=1e-6)


def test_features_missing_together_share_a_gap():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 5))
    values[rng.random(50) < 0.3, :3] = np.nan
    X = SequenceData(features=np.split(values, 10))
    model = LSTMClassifier(**{**SMALL, "max_epochs": 1}).fit(X, [0, 1] * 5)
    assert model.model_.steps.group == (0, 0, 0, -1, -1)
    model = LSTMClassifier(**{**SMALL, "max_epochs": 1}, step_dropout=0.1).fit(X, [0, 1] * 5)
    assert model.model_.steps.group == (0, 0, 0, 1, 1)
    # A part of a group may be missing later: its share is told, and the group was seen.
    new = np.array([[np.nan, 0, 0, 0, 0], [np.nan, np.nan, np.nan, 0, np.nan]])
    read = model._encode(SequenceData(features=[new]), model.model_).sequences.features[:, 5:]
    assert read == pytest.approx(np.array([[1 / 3, 0, 0, 0], [1, 0.5, np.log(2), 0]]))


@pytest.mark.parametrize("gaps_of_another", [False, True])
def test_what_was_never_missing_is_its_mean_when_it_is(gaps_of_another):
    """Whether or not something else was missing in training."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 100)
    features = [rng.normal(size=(6, 2)) + 2 * label for label in y]
    if gaps_of_another:
        for values in features:
            values[rng.random(6) < 0.3, 0] = np.nan
    model = LSTMClassifier(**SMALL).fit(SequenceData(features=features), y)
    assert model.config_.n_gaps == gaps_of_another
    gone, mean = (
        [np.column_stack([values[:, 0], np.full(6, what)]) for values in features]
        for what in (np.nan, np.concatenate(features)[:, 1].mean())
    )
    found, expected = (model.predict_proba(SequenceData(features=f)) for f in (gone, mean))
    assert found == pytest.approx(expected, abs=1e-6)


def test_step_dropout_prepares_for_gaps():
    tokens, features, y = make(200)
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**SMALL, step_dropout=0.5).fit(X[:120], y[:120])
    assert model.config_.n_gaps == 1
    with_gaps = [values.copy() for values in features[120:]]
    for values in with_gaps:
        values[1:] = np.nan  # one step is left
    gaps = SequenceData(tokens[120:], with_gaps)
    assert model.score(gaps, y[120:]) > 0.85
    again = LSTMClassifier(**SMALL, step_dropout=0.5).fit(X[:120], y[:120])
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("targets", ["documents", "steps"])
@pytest.mark.parametrize("tokens", [True, False])
def test_saved_pickled_and_quantized(targets, tokens, tmp_path):
    by_step = targets == "steps"
    ids, features, y = make(missing=0.2, by_step=by_step)
    X = SequenceData(ids if tokens else None, features)
    model = LSTMClassifier(**SMALL, targets=targets, step_dropout=0.1).fit(X, y)
    model.save(tmp_path / "model.fastlstm")
    expected = model.predict_proba(X)
    for other in (fastlstm.load(tmp_path / "model.fastlstm"), pickle.loads(pickle.dumps(model))):
        assert all(map(np.array_equal, other.predict_proba(X), expected))
        assert other.targets == targets
        assert clone(other).fit(X, y).model_.steps == model.model_.steps
    small = model.quantize()
    small.save(tmp_path / "small.fastlstm")
    assert small.score(X, y) == pytest.approx(model.score(X, y), abs=0.02)
    again = fastlstm.load(tmp_path / "small.fastlstm").predict_proba(X)
    assert all(map(np.allclose, again, small.predict_proba(X)))


@pytest.mark.parametrize("settings", [{}, {"segment_length": 3}, {"num_layers": 2}], ids=str)
@pytest.mark.parametrize("by_step", [False, True])
def test_answers_do_not_depend_on_neighbours_or_threads(settings, by_step):
    tokens, features, y = make(missing=0.2, by_step=by_step)
    X = SequenceData(tokens, features)
    targets = "steps" if by_step else "documents"
    settings = {**SMALL, "max_epochs": 2, "targets": targets, "step_dropout": 0.2, **settings}
    model = LSTMClassifier(**settings, n_jobs=1).fit(X, y)
    other = LSTMClassifier(**settings, n_jobs=2).fit(X, y)
    expected = model.predict_proba(X)
    assert all(map(np.array_equal, other.predict_proba(X), expected))
    for row in (0, 7, 50):
        assert np.array_equal(model.predict_proba(X[row])[0], expected[row])


def test_going_on():
    tokens, features, y = make(missing=0.2)
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**{**SMALL, "max_epochs": 2}, vocabulary_size=12)
    for _ in range(8):
        model.partial_fit(X[:60], y[:60])
    assert model.score(X[60:], y[60:]) > 0.9
    reader = model.model_.steps
    model.set_params(warm_start=True).fit(X[60:], y[60:])
    assert model.model_.steps is reader
    model.set_params(warm_start=False).fit(X[60:], y[60:])
    assert model.model_.steps != reader
    with pytest.raises(ValueError, match="targets is now 'steps'"):
        model.set_params(targets="steps").partial_fit(X, y)


def test_unlabelled_sequences():
    tokens, features, y = make(200)
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**SMALL).fit(X[:60], y[:60], X_unlabelled=X[60:160])
    assert model.score(X[160:], y[160:]) > 0.9
    tokens, features, y = make(200, by_step=True)
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**OF_STEPS)
    model.fit(X[:60], y[:60], X_unlabelled=X[60:160])
    assert model.score(X[160:], y[160:]) > 0.9


def test_tools_of_scikit_learn():
    tokens, features, y = make()
    X = SequenceData(tokens, features)
    assert cross_val_score(LSTMClassifier(**SMALL), X, y, cv=3).mean() > 0.9
    search = GridSearchCV(LSTMClassifier(**SMALL), {"hidden_size": [4, 8]}, cv=2).fit(X, y)
    assert search.predict(X[:2]).shape == (2,)
    train, test, y_train, _ = train_test_split(X, y, random_state=0)
    assert (len(train), len(test), len(y_train)) == (90, 30, 90)
    tokens, features, y = make(by_step=True)
    X = SequenceData(tokens, features)
    steps = LSTMClassifier(**OF_STEPS)
    assert cross_val_score(steps, X, y, cv=KFold(3)).mean() > 0.8


def test_indexing():
    tokens, features, _ = make(6)
    X = SequenceData(tokens, features)
    assert repr(X) == f"SequenceData(6 documents, {X.lengths.sum()} steps, tokens, 3 features)"
    for key in ([1, 3], np.array([1, 3]), np.arange(6) % 2 * (np.arange(6) < 5) == 1):
        assert X[key].lengths.tolist() == [len(tokens[1]), len(tokens[3])]
    assert X[-1].lengths.tolist() == [len(tokens[5])]
    assert len(X[:0]) == len(X[[]]) == 0
    assert [len(one) for one in X] == [1] * 6
    assert np.array_equal(X[[4, 0]].sequences_.features[: len(tokens[4])], features[4])
    with pytest.raises(IndexError):
        X[6]


def test_empty_documents():
    tokens, features, y = make(60)
    tokens[3], features[3] = [], np.zeros((0, 3))
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**SMALL).fit(X, y)
    assert model.predict_proba(X[3])[0] == pytest.approx(model.class_prior_)
    tokens, features, y = make(60, by_step=True)
    tokens[3], features[3], y[3] = [], np.zeros((0, 3)), np.zeros(0, int)
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**OF_STEPS).fit(X, y)
    assert [len(labels) for labels in model.predict(X[2:5])] == [len(y[2]), 0, len(y[4])]
    assert model.score(X, y) > 0.7


def test_features_that_tell_nothing():
    tokens, features, y = make(60)
    for values in features:
        values[:, 1], values[:, 2] = 5.0, np.nan
    X = SequenceData(tokens, features)
    with pytest.warns(SideColumnWarning, match="2 of 3 features .* the first has number 1"):
        model = LSTMClassifier(**SMALL).fit(X, y)
    changed = [values + [0, 99, 0] for values in features]
    for values in changed:
        values[:, 2] = 7.0
    other = SequenceData(tokens, changed)
    read = [model._encode(given, model.model_).sequences.features for given in (X, other)]
    assert np.array_equal(read[0][:, 1:3], read[1][:, 1:3])
    assert model.config_.n_step_features == 3  # no gaps are told
    assert np.array_equal(model.predict_proba(X), model.predict_proba(other))
    close = [1e3 + 1e-7 * values[:, :1] / 200 for values in features]  # differs all the same
    near = LSTMClassifier(**SMALL).fit(SequenceData(features=close), y)
    assert near.model_.steps.scale[0] < 1e-5
    # Far away is far, and no infinity.
    far = SequenceData(tokens, [np.full_like(values, 1e300) for values in features])
    assert np.isfinite(model.predict_proba(far)).all()


def test_word_vectors_need_tokens():
    _, features, y = make(40)
    X = SequenceData(features=features)
    model = LSTMClassifier(**SMALL, word_vectors="skipgram")
    with pytest.raises(ValueError, match="word_vectors='skipgram' .* X has no tokens"):
        model.fit(X, y)
    assert not len(LSTMClassifier(**SMALL, ngrams=3).fit(X, y).ngrams_)


def test_nothing_warns_by_the_way():
    tokens, features, y = make(60, missing=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in (np.float64, np.float32, np.float16):
            X = SequenceData(tokens, [values.astype(dtype) / 1e4 for values in features])
            LSTMClassifier(**{**SMALL, "max_epochs": 1}).fit(X, y).predict(X)


def test_what_is_held_out_of_sequences():
    """Whole documents, about the share that was asked for, and no class with them."""
    X = SequenceData(features=list(np.random.default_rng(0).normal(size=(20, 50, 1))))
    y = [np.arange(50) % 2 for _ in range(20)]
    y[3] = np.where(np.arange(50) < 5, 2, y[3])
    for seed in range(5):
        model = LSTMClassifier(**{**OF_STEPS, "max_epochs": 2, "random_state": seed}).fit(X, y)
        assert model.config_.n_outputs == 3
        assert "val_accuracy" in model.history_[0]
    few = LSTMClassifier(**{**OF_STEPS, "max_epochs": 2}).fit(X[:6], y[:6])
    assert "val_accuracy" not in few.history_[0]


def test_what_was_known_of_columns_goes():
    model = LSTMClassifier(**{**SMALL, "max_epochs": 1})
    model.fit(np.array([[2, 3, 0], [4, 3, 0]] * 4), [0, 1] * 4)
    model.fit(SequenceData([[2, 3], [4]] * 4), [0, 1] * 4)
    assert not hasattr(model, "n_features_in_")
    model.predict(np.array([[2, 3, 0, 0]]))


def test_a_saved_model_knows_what_it_classifies(tmp_path):
    tokens, features, y = make(20, by_step=True)
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**{**OF_STEPS, "max_epochs": 1}).fit(X, y)
    model.set_params(targets="documents").save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    assert again.targets == "steps"
    again.partial_fit(X, y)
    with pytest.raises(ValueError, match="step_dropout=0.5 needs a network that reads gaps"):
        again.set_params(step_dropout=0.5).partial_fit(X, y)


def test_pickles_from_before_there_were_steps():
    model = LSTMClassifier(**{**SMALL, "max_epochs": 1}).fit([[2, 3], [4, 3]] * 4, [0, 1] * 4)
    for name in ("targets", "step_dropout", "recompute", "train_vectors"):
        del model.__dict__[name]
    again = pickle.loads(pickle.dumps(model))
    assert clone(again).get_params()["targets"] == "documents"
    again.partial_fit([[2, 3], [4, 3]], [0, 1]).quantize()
    assert "LSTMClassifier" in repr(again)
