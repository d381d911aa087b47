"""SequenceData: features of steps, labels of steps, and what is missing."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, SequenceData, SideColumnWarning

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
    assert model.model_.steps.group == (0, 0, 0, 1, 1)
    # A part of a group may be missing later: its share is told, and the group was seen.
    new = np.array([[np.nan, 0, 0, 0, 0], [np.nan, np.nan, np.nan, 0, np.nan]])
    read = model._encode(SequenceData(features=[new]), model.model_).sequences.features[:, 5:]
    assert read == pytest.approx(np.array([[1 / 3, 0, 0, 0], [1, 0.5, np.log(2), 0]]))


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
    # Far away is far, and no infinity.
    far = SequenceData(tokens, [np.full_like(values, 1e300) for values in features])
    assert np.isfinite(model.predict_proba(far)).all()


VALUES = [np.ones((2, 3)), np.ones((1, 3))]
BAD_DATA = [
    ({}, ValueError, "needs tokens, features, or both"),
    ({"tokens": "abc"}, TypeError, "tokens is str. Pass a list with an array for each"),
    ({"tokens": 3}, TypeError, "tokens is int"),
    ({"tokens": [["a", "b"], ["c"]]}, TypeError, "document 0 .*use SequenceVectorizer"),
    ({"tokens": [[1, 2], [-1]]}, ValueError, "have -1 in document 1, step 0"),
    ({"tokens": [[1, 2], [0.5]]}, ValueError, "have 0.5 in document 1, step 0. Token ids are"),
    ({"tokens": [[1, 2], [[3]]]}, ValueError, "document 1 .* 2 axes"),
    ({"tokens": [1, 2]}, ValueError, "document 0 .* 0 axes"),
    ({"tokens": [[1, 2], [2**31]]}, ValueError, "document 1"),
    ({"features": [VALUES[0][0]]}, ValueError, r"document 0 .*shape \(3,\).*array\[:, None\]"),
    ({"features": VALUES[0]}, ValueError, r"one array of shape \(2, 3\). Pass a list .*\[array\]"),
    ({"tokens": VALUES}, ValueError, r"document 0 .* 2 axes.*SequenceData\(features=...\)"),
    ({"features": {"a": VALUES[0]}}, TypeError, r"features is dict.*list\(features.values\(\)\)"),
    ({"features": [VALUES[0], np.ones((1, 2))]}, ValueError, "document 1 have 2 .*document 0 3"),
    ({"features": [[["a"]], [["b"]]]}, TypeError, "features of document 0 are not numbers"),
    ({"features": [VALUES[0], np.full((1, 3), np.inf)]}, ValueError,
     "document 1 hold infinity in step 0, column 0.*NaN"),
    ({"features": []}, ValueError, "features hold no document"),
    ({"features": [np.ones((2, 0))]}, ValueError, "features hold no column"),
    ({"tokens": [[1, 2]], "features": VALUES}, ValueError, "1 documents and features of 2"),
    ({"tokens": [[1, 2], [1, 2]], "features": VALUES}, ValueError,
     "document 1 has 2 tokens and features of 1 steps"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "kind", "message"), BAD_DATA, ids=lambda v: str(v)[:40])
def test_bad_sequences(given, kind, message):
    with pytest.raises(kind, match=message):
        SequenceData(**given)


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    long = pandas.DataFrame(rng.normal(size=(200, 3)), columns=["u", "v", "w"])
    long["id"] = np.repeat(np.arange(40), 5)
    long.loc[::7, "v"] = np.nan
    y = rng.integers(0, 2, 40)
    frames = [rows.drop(columns="id") for _, rows in long.groupby("id")]
    X = SequenceData(features=frames)
    assert np.array_equal(X.features[3], frames[3].to_numpy(), equal_nan=True)
    assert X.tokens is None
    assert X[[1, 2]].names_ == ("u", "v", "w")
    model = LSTMClassifier(**{**SMALL, "max_epochs": 1}).fit(X, y)
    expected = model.predict_proba(X)
    same = {
        "arrays": [frame.to_numpy() for frame in frames],
        "nullable": [frame.convert_dtypes() for frame in frames],
        "polars": [polars.from_pandas(frame) for frame in frames],
        "lists": [frame.to_numpy().tolist() for frame in frames],
        "None": [frame.astype(object).where(frame.notna(), None) for frame in frames],
    }
    for kind, given in same.items():
        assert np.array_equal(model.predict_proba(SequenceData(features=given)), expected), kind
    turned = SequenceData(features=[frame[["w", "v", "u"]] for frame in frames])
    message = (
        r"features of X are \['w', 'v', 'u'\], and the model was fitted with \['u', 'v', 'w'\]"
    )
    with pytest.raises(ValueError, match=message):
        model.predict(turned)
    with pytest.raises(ValueError, match=r"document 1 are \['w', 'v', 'u'\]"):
        SequenceData(features=[frames[0], frames[1][["w", "v", "u"]]])
    mend = r"\[rows.drop\(columns='id'\) for _, rows in features.groupby\('id'\)\]"
    with pytest.raises(TypeError, match=f"DataFrame.*{mend}"):
        SequenceData(features=long)
    with pytest.raises(TypeError, match="GroupBy.*for _, rows in features"):
        SequenceData(features=long.groupby("id"))
    with pytest.raises(TypeError, match="document 1, column 'v', are not numbers"):
        SequenceData(features=[frames[0], frames[1].assign(v="x")])
    long["v"] = 1.0
    with pytest.warns(SideColumnWarning, match="the first is 'v', number 1"):
        rows = [rows.drop(columns="id") for _, rows in long.groupby("id")]
        LSTMClassifier(**{**SMALL, "max_epochs": 1}).fit(SequenceData(features=rows), y)


def test_padding_that_is_read_as_steps_is_told():
    values = np.random.default_rng(0).normal(size=(10, 6, 2))
    SequenceData(features=values)
    for empty in (0.0, np.nan):
        padded = values.copy()
        padded[:7, 3:] = empty
        with pytest.warns(UserWarning, match="7 of 10 documents end in .* look like padding"):
            SequenceData(features=padded)
        SequenceData(np.ones((10, 6), int), padded)  # the tokens say what padding is
        SequenceData(features=list(padded))


def test_what_is_no_array_of_ids_is_pointed_to_sequences():
    model = LSTMClassifier(**SMALL)
    series = [np.ones((n, 2)) for n in (3, 4)]
    hint = r"SequenceData\(features=...\)"
    for X in ([[1, 2], [3]], series, np.ones((2, 3, 2)), np.array([[0.5, np.nan], [1, 2]]),
              ["a text", "another"]):  # fmt: skip
        with pytest.raises(ValueError, match=hint):
            model.fit(X, [0, 1])
    X = SequenceData(features=series)
    with pytest.raises(TypeError, match="SequenceData is no array.*to LSTMClassifier"):
        np.asarray(X)
    with pytest.raises(TypeError, match="SequenceData is no array.*to LSTMClassifier"):
        LSTMSentimentClassifier().fit(X, [0, 1])
    with pytest.raises(TypeError, match="GridSearchCV .* takes LSTMClassifier"):
        fastlstm.tune(X, [0, 1], estimator=model)
    with pytest.raises(ValueError, match="label for each step .*Set targets='steps'"):
        model.fit(X, [np.array([0, 1, 0]), np.array([1, 1, 0, 0])])


def test_bad_labels_of_steps():
    tokens, features, y = make(20, by_step=True)
    X = SequenceData(tokens, features)
    model = LSTMClassifier(**{**SMALL, "max_epochs": 1}, targets="steps")
    short = [*y[:7], y[7][:-1], *y[8:]]
    with pytest.raises(ValueError, match=r"labels of document 7, which has \d+ steps"):
        model.fit(X, short)
    with pytest.raises(ValueError, match="20 documents and y has labels of 19"):
        model.fit(X, y[:-1])
    with pytest.raises(ValueError, match="y of document 0 is int. With targets='steps'"):
        model.fit(X, [0, 1] * 10)
    with pytest.raises(ValueError, match="y is None"):
        model.fit(X, None)
    gaps = [labels.astype(float) for labels in y]
    gaps[4][1] = np.nan
    with pytest.raises(ValueError, match="y of document 4 has 1 missing .* row 1"):
        model.fit(X, gaps)
    with pytest.raises(ValueError, match="sample_weight has 1 weights of document 0"):
        model.fit(X, y, [[1.0]] * 20)
    model.fit(X, y)
    with pytest.raises(ValueError, match="labels of document 7"):
        model.score(X, short)


def test_sequences_that_a_model_does_not_read():
    tokens, features, y = make(40)
    both, ids, alone = (
        SequenceData(tokens, features), SequenceData(tokens), SequenceData(features=features)
    )  # fmt: skip
    model = LSTMClassifier(**{**SMALL, "max_epochs": 1}).fit(both, y)
    for X, what in (
        (ids, "token ids"),
        (alone, "3 features a step"),
        (SequenceData(tokens, [values[:, :1] for values in features]),
         "token ids and 1 feature a step"),
        (np.ones((4, 5), int), "token ids"),
    ):  # fmt: skip
        message = f"reads token ids and 3 features a step, and X has {what}. Pass SequenceData"
        with pytest.raises(ValueError, match=message):
            model.predict(X)
    with pytest.raises(ValueError, match="reads token ids, and X has token ids and 3 features"):
        LSTMClassifier(**{**SMALL, "max_epochs": 1}).fit(ids, y).predict(both)
    with pytest.raises(ValueError, match=r"reads 3 features a step, .*\(features=...\)"):
        LSTMClassifier(**{**SMALL, "max_epochs": 1}).fit(alone, y).predict(ids)
    new = SequenceData([[2, 3], [3, 40]], [np.ones((2, 3))] * 2)
    with pytest.raises(ValueError, match="X has 40 in document 1, step 1: the vocabulary has 12"):
        model.predict(new)
    with pytest.raises(ValueError, match="40 documents and y has 39 labels"):
        model.fit(both, y[:-1])
    with pytest.raises(ValueError, match="X_val has token ids"):
        model.fit(both, y, X_val=ids, y_val=y)
    with pytest.raises(ValueError, match="X_unlabelled has token ids"):
        model.fit(both, y, X_unlabelled=ids)


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


def test_labels_of_steps_stay_what_they_are():
    X = SequenceData(features=[np.zeros((0, 1)), *np.arange(60.0).reshape(20, 3, 1)])
    model = LSTMClassifier(**{**OF_STEPS, "max_epochs": 1})
    for labels in ([1, 2, 1], [2**53, 2**53 + 1, 2**53], [True, False, True], ["a", "b\0", "a"]):
        classes = model.fit(X, [[], *[labels] * 20]).classes_
        assert classes.tolist() == sorted(set(labels))
        assert [type(label) for label in classes.tolist()] == [type(labels[0])] * 2
    for labels, message in (
        (["a", "b", np.nan], "y of document 7 has 1 missing .* row 2"),
        (["a", "b", None], "y of document 7 has 1 missing .* row 2"),
        (np.ma.masked_array([1, 2, 1], [0, 0, 1]), "y of document 7 has 1 missing .* row 2"),
    ):
        y = [[], *[["a", "b", "a"]] * 6, labels, *[["a", "b", "a"]] * 13]
        with pytest.raises(ValueError, match=message):
            model.fit(X, y)
        with pytest.raises(ValueError, match=message):
            model.score(X, y)
    with pytest.raises(ValueError, match="mixes types"):
        model.fit(X, [[], *[["a", "b", "a"]] * 10, *[[1, 2, 1]] * 10])
    y = [[], *[["a", "b", "a"]] * 20]
    model.fit(X, y)
    with pytest.raises(ValueError, match="y has label 'c' in document 3, step 1, which is not"):
        model.partial_fit(X, [*y[:3], ["a", "c", "a"], *y[4:]])
    with pytest.raises(ValueError, match="y_val has label 'c' in document 1, step 2"):
        model.fit(X, y, X_val=X[:2], y_val=[[], ["a", "a", "c"]])
    with pytest.raises(ValueError, match="X_val has 2 documents and y_val has labels of 1"):
        model.fit(X, y, X_val=X[:2], y_val=[[]])
    weight = [[], *[[1.0, 1.0, 1.0]] * 20]
    weight[5] = [1.0, -1.0, 1.0]
    with pytest.raises(ValueError, match="sample_weight of document 5 is negative in row 1"):
        model.fit(X, y, weight)
    with pytest.raises(ValueError, match="sample_weight is zero in every row"):
        model.fit(X, y, [1.0] + [0.0] * 20)


def test_padded_labels_wherever_they_go():
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 9, (60, 5))
    ids[::2, 3:] = 0
    y = np.where(ids > 4, "a", "b")
    model = LSTMClassifier(**OF_STEPS).fit(ids, y, X_val=ids[:9], y_val=y[:9])
    assert model.score(ids, y) > 0.9
    assert model.score(ids, y.tolist()) == model.score(ids, y, np.ones(ids.shape))
    pandas = pytest.importorskip("pandas")
    X = SequenceData(ids)
    again = LSTMClassifier(**OF_STEPS).fit(X, pandas.DataFrame(y), X_val=X[:9], y_val=y[:9])
    assert all(map(np.array_equal, again.predict_proba(X), model.predict_proba(ids)))
    assert cross_val_score(LSTMClassifier(**OF_STEPS), X, y, cv=KFold(3)).mean() > 0.8
    lists = SequenceData([row.tolist() for row in ids])
    assert np.array_equal(lists.sequences_.ids, X.sequences_.ids)
    assert np.array_equal(SequenceData(pandas.DataFrame(ids)).sequences_.ids, X.sequences_.ids)
    assert model.predict(X[:0]) == [] and model.predict_proba(lists[:0]) == []


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


def test_containers_of_lists_and_masks():
    pyarrow, polars = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    ids, values = [[1, 2], [3]], [[[1.0], [np.nan]], [[4.0]]]
    expected = SequenceData(ids, [np.array(rows) for rows in values])
    nulls = [[[1.0], [None]], [[4.0]]]
    for tokens, features in (
        (pyarrow.array(ids), pyarrow.array(nulls)),
        (pyarrow.chunked_array([ids]), pyarrow.chunked_array([nulls])),
        (polars.Series(ids), polars.Series(nulls)),
        (ids, [np.array([np.array(row, object) for row in rows] + [None], object)[:-1]
               for rows in nulls]),
        (ids, [np.ma.masked_array([[1.0], [9.0]], [[0], [1]]), np.array([[4.0]])]),
        ([np.array(own, object) for own in ids], values),
    ):  # fmt: skip
        found = SequenceData(tokens, features)
        assert np.array_equal(found.sequences_.ids, expected.sequences_.ids)
        theirs, ours = found.sequences_.features, expected.sequences_.features
        assert np.array_equal(theirs, ours, equal_nan=True)
    for features in (np.array([["2020-01-01"]], "M8[ns]"), np.array([[1j]])):
        with pytest.raises(TypeError, match="document 1 are not numbers .*dtype"):
            SequenceData(features=[np.ones((1, 1)), features])
    assert SequenceData(features=[[], np.ones((2, 3)), np.zeros((0, 0))]).lengths.tolist() == [
        0,
        2,
        0,
    ]
    # What stands at padding is not read.
    SequenceData(np.array([[1, 2, 0]]), np.array([[[1.0], [2.0], [np.inf]]]))
    with pytest.raises(ValueError, match="no step in any document"):
        LSTMClassifier().fit(SequenceData(features=[np.zeros((0, 2))] * 4), [0, 1, 0, 1])
    for key in ([[0, 1]], True, (0, 1)):
        with pytest.raises(IndexError):
            expected[key]
    assert len(expected[...]) == 2


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
    for name in ("targets", "step_dropout", "recompute"):
        del model.__dict__[name]
    again = pickle.loads(pickle.dumps(model))
    assert clone(again).get_params()["targets"] == "documents"
    again.partial_fit([[2, 3], [4, 3]], [0, 1]).quantize()
    assert "LSTMClassifier" in repr(again)
