"""Columns as numbers, beside scikit-learn's own encoders."""

import datetime
import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastlstm.core.errors import SideColumnWarning
from fastlstm.side.encoder import SideEncoder, as_date
from fastlstm.side.learning import kind_of, learn_columns, learn_vectors


def drawn(n=300, seed=0):
    rng = np.random.default_rng(seed)
    ages = [None if rng.random() < 0.1 else float(rng.integers(18, 90)) for _ in range(n)]
    names = ["north", "south", "east", "west", None, "rare one", "rare two"]
    shares = [0.4, 0.2, 0.2, 0.1, 0.07, 0.02, 0.01]
    regions = [names[i] for i in rng.choice(len(names), n, p=shares)]
    return {"age": ages, "income": rng.lognormal(3, 1, n).tolist(), "region": regions}


def by_scikit_learn(values):
    """The same by a ColumnTransformer: imputed and scaled numbers, categories with a rare one."""
    n = len(values["age"])
    rows = np.empty((n, 3), dtype=object)
    rows[:, 0] = [np.nan if v is None else v for v in values["age"]]
    rows[:, 1] = values["income"]
    rows[:, 2] = ["(missing)" if v is None else v for v in values["region"]]
    number = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer([
        ("age", number, [0]), ("income", number, [1]),
        ("region", OneHotEncoder(
            handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False), [2]),
    ]), rows  # fmt: skip


def test_the_numbers_are_those_of_scikit_learn():
    values = drawn()
    encoder = learn_columns(values)
    transformer, rows = by_scikit_learn(values)
    expected = transformer.fit_transform(rows).astype(np.float64)
    found = encoder.encode(values, 300)
    is_flag = np.array(encoder.features) == "age missing"
    assert is_flag.sum() == 1
    assert found[:, ~is_flag].shape == expected.shape
    # StandardScaler of a column with gaps leaves them out; imputed first, they count as the mean.
    np.testing.assert_allclose(found[:, 2:], expected[:, 1:], rtol=1e-5, atol=1e-6)
    known = np.array([v is not None for v in values["age"]])
    of_age = np.array([v for v in values["age"] if v is not None])
    scaled = StandardScaler().fit_transform(of_age[:, None])[:, 0]
    np.testing.assert_allclose(found[known, 0], scaled, rtol=1e-5)
    assert (found[~known, 0] == 0).all()
    assert np.array_equal(found[:, is_flag][:, 0], ~known)


def test_new_rows_are_those_of_scikit_learn():
    values, later = drawn(), drawn(100, 1)
    later["region"][:5] = ["unheard of", "rare one", None, "north", "north "]
    transformer, rows = by_scikit_learn(values)
    transformer.fit(rows)
    expected = transformer.transform(by_scikit_learn(later)[1]).astype(np.float64)
    found = learn_columns(values).encode(later, 100)
    np.testing.assert_allclose(found[:, 2:], expected[:, 1:], rtol=1e-5, atol=1e-6)
    assert found[0, -1] == found[1, -1] == 1  # rare and unknown ones share a place


def test_names_of_the_numbers():
    encoder = learn_columns(
        {"age": [1, None, 3] * 4, "kind": ["a", "b", "b"] * 4, "ok": [True, False] * 6}
    )
    assert encoder.features == ["age", "age missing", "kind=a", "kind=b", "ok"]
    assert encoder.names == ["age", "kind", "ok"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2.5, None], "number"),
        ([True, False], "number"),
        ([np.float32(1), np.int64(2)], "number"),
        ([datetime.timedelta(days=1), None], "number"),
        ([datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 2)], "date"),
        ([np.datetime64("2020-01-01")], "date"),
        (["2020-01-01", "2021-12-31T10:00:00Z"], "date"),
        (["2020", "2021"], "category"),
        (["a", "b"], "category"),
        (["a", 1], "category"),
    ],
    ids=str,
)  # fmt: skip
def test_kinds(values, kind):
    assert kind_of(values) == kind


def test_dates_are_taken_apart():
    dates = ["2024-02-29T06:30:00", "2020-01-01", None, "2021-12-31T23:00:00+01:00"]
    encoder = learn_columns({"when": dates})
    assert encoder.features[::2] == [
        f"when.{p}" for p in ("days", "year", "month", "day", "weekday", "hour")
    ]
    raw = [
        (19782 + 6.5 / 24, 2024, 2, 29, 3, 6.5),
        (18262, 2020, 1, 1, 2, 0),
        (18992 + 22 / 24, 2021, 12, 31, 4, 22),
    ]
    expected = StandardScaler().fit_transform(np.array(raw))
    found = encoder.encode({"when": dates}, 4)
    np.testing.assert_allclose(found[[0, 1, 3]][:, ::2], expected, rtol=1e-4, atol=1e-5)
    assert found[2].tolist() == [0, 1] * 6
    objects = [as_date(d) if d else None for d in dates]
    assert np.array_equal(encoder.encode({"when": objects}, 4), found)
    days = [None if d is None else np.datetime64(d, "s") for d in objects]
    assert np.array_equal(encoder.encode({"when": days}, 4), found)


def test_columns_that_tell_nothing_are_left_out():
    values = {"same": ["x"] * 9, "none": [None] * 9, "n": list(range(9))}
    with pytest.warns(SideColumnWarning, match="frequent, in column 'same', 'none'"):
        assert learn_columns(values).names == ["n"]


def test_values_that_fit_no_column():
    encoder = learn_columns({"n": [1, 2, 3], "when": ["2020-01-01", "2020-01-02", "2020-01-03"]})
    good = {"n": [1], "when": ["2020-01-01"]}
    refused = {
        r"'many' \(str\) in row 0 of column 'n', where a number": {"n": ["many"]},
        r"infinite in row 0 of column 'n'": {"n": [float("inf")]},
        r"in row 0 of column 'when', where a date": {"when": ["soon"]},
        r"\[1\] \(list\) in row 0 of column 'n'": {"n": [[1]]},
    }
    for message, wrong in refused.items():
        with pytest.raises(ValueError, match=message):
            encoder.encode({**good, **wrong}, 1)
    same = encoder.encode({"n": ["2", " yes "], "when": good["when"] * 2}, 2)
    assert np.array_equal(
        same[:, 0], encoder.encode({"n": [2, 1], "when": good["when"] * 2}, 2)[:, 0]
    )
    far = encoder.encode({"n": [1e300, -1e300], "when": good["when"] * 2}, 2)
    assert np.isfinite(far).all() and far[0, 0] > 1000 > -1000 > far[1, 0]
    for date in ("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"):
        with pytest.raises(ValueError, match="where a date is expected"):
            encoder.encode({"n": [1], "when": [date]}, 1)
    gone = encoder.encode({"n": None, "when": None}, 2)
    assert not gone.any()


def test_odd_columns():
    huge = learn_columns({"n": [10.0**n for n in range(0, 300, 10)]})
    assert np.isfinite(huge.encode({"n": [1e299, 0.0]}, 2)).all()
    with pytest.raises(ValueError, match=r"0 \(int\) in row 1 of column 'n'"):
        learn_columns({"n": [1, 10**400]})
    hours = [np.timedelta64(n, "h") for n in range(9)]
    assert learn_columns({"t": hours}).columns[0].kind == "number"
    with pytest.raises(ValueError, match="a list in row 0 of column 'v'; pass vectors as X_side"):
        learn_columns({"v": [[1.0], [2.0]]})
    ids = [2**53 + n for n in range(3)] * 20
    assert len(learn_columns({"k": [*ids, "a"]}).columns[0].categories) == 3
    with pytest.warns(SideColumnWarning, match="none that is frequent, in column 'k'"):
        assert not learn_columns({"k": [f"key {n}" for n in range(500)]}).columns


def test_vectors_of_another_width():
    encoder = learn_vectors(np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(ValueError, match="X_side has 2 columns, and the model was fitted with 3"):
        encoder.encode({"X_side": np.zeros((4, 2))}, 4)


def test_whole_numbers_are_one_category_however_they_are_stored():
    encoder = learn_columns({"k": [1, "a", 2, "a"] * 5})
    assert encoder.columns[0].categories == ("1", "2", "a")
    assert np.array_equal(encoder.encode({"k": [1.0]}, 1), encoder.encode({"k": ["1"]}, 1))


def test_state():
    encoder = learn_columns({**drawn(), "when": ["2020-01-01", "2021-01-01", None] * 100})
    state = json.loads(json.dumps(encoder.state()))
    assert SideEncoder.from_state(state) == encoder
    broken = [
        {"kind": "code"}, {"name": 1}, {"scaled": [["a", 0.0, 0.0, True]]}, {"has_others": 1},
        {"scaled": [["a", float("nan"), 1.0, False]]}, {"categories": ["x", "x"]}, {"scaled": []},
        {"kind": "vector"}, {"categories": "x"}, {"name": "X_side"},
    ]  # fmt: skip
    for change in broken:
        with pytest.raises((ValueError, TypeError)):
            SideEncoder.from_state([{**state[0], **change}])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=3), st.floats(-1e6, 1e6)),
        min_size=2, max_size=40,
    )
)  # fmt: skip
def test_whatever_a_column_holds_it_becomes_finite_numbers(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SideColumnWarning)
        encoder = learn_columns({"c": values})
    found = encoder.encode({name: values for name in encoder.names}, len(values))
    assert found.shape == (len(values), len(encoder.features))
    assert np.isfinite(found).all()
