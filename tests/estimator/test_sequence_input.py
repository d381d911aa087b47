"""SequenceData and labels of steps: what they may be given as, and what is wrong with others."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold, cross_val_score

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, SequenceData, SideColumnWarning
from tests.estimator.test_sequences import OF_STEPS, SMALL, make

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
    weight[7] = [1.0, 1.0, np.inf]
    with pytest.raises(ValueError, match="sample_weight is inf in document 7, step 2"):
        model.fit(X, y, weight)
    weight[5] = [1.0, -1.0, 1.0]
    with pytest.raises(ValueError, match="sample_weight is -1.0 in document 5, step 1"):
        model.fit(X, y, weight)
    for call in (model.fit, model.score, lambda a, b: model.fit(X, y, X_val=a, y_val=b)):
        with pytest.raises(ValueError, match="no document of X.* has a step"):
            call(X[:1], [[]])
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
    with pytest.raises(ValueError, match="document 2 have 2 columns, and those of document 1 3"):
        SequenceData(features=[[], np.ones((2, 3)), np.ones((2, 2))])
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
