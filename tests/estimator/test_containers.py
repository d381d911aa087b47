"""Documents and labels in every container that users keep them in: the same model."""

from __future__ import annotations

import enum
from collections import UserList, deque

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import DataConversionWarning

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, SequenceVectorizer
from fastlstm.datasets import load_reviews
from tests.helpers import NETWORK_ALONE

REVIEWS = load_reviews("zh", "train")
TEXTS, LABELS = REVIEWS.texts[:40], REVIEWS.labels[:40]
# No container may be read by its index.
INDEX = np.random.default_rng(0).permutation(40)

SMALL = {
    "embedding_dim": 4,
    "hidden_size": 4,
    "max_epochs": 2,
    "early_stopping": False,
    "random_state": 0,
    "n_jobs": 1,
}


def small():
    return LSTMSentimentClassifier(**SMALL)


@pytest.fixture(scope="module")
def expected():
    return small().fit(TEXTS, LABELS).predict_proba(TEXTS)


def arrow():
    return pytest.importorskip("pyarrow")


def arrow_series(x, kind, *of):
    kind = getattr(arrow(), kind)(*of)
    return pd.Series(x, index=INDEX[: len(x)], dtype=pd.ArrowDtype(kind))


def strings(x, **settings):
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("NumPy before 2.0")
    return np.array(x, dtype=np.dtypes.StringDType(**settings))


def hugging_face(x):
    return pytest.importorskip("datasets").Dataset.from_dict({"column": x})


def polars_enum(x):
    return pl.Series(x, dtype=pl.Enum(sorted({*x} - {None})))


# One dimension, text that may be missing.
SERIES = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "user_list": UserList,
    "object_array": lambda x: np.array(x, dtype=object),
    "series": lambda x: pd.Series(x, index=INDEX[: len(x)]),
    "object_series": lambda x: pd.Series(x, index=INDEX[: len(x)], dtype=object),
    "string_series": lambda x: pd.Series(x, index=INDEX[: len(x)], dtype="string"),
    "category_series": lambda x: pd.Series(x, index=INDEX[: len(x)], dtype="category"),
    "categories": pd.Categorical,
    "index": pd.Index,
    "arrow_series": lambda x: arrow_series(x, "string"),
    "arrow_series_large": lambda x: arrow_series(x, "large_string"),
    "arrow_series_views": lambda x: arrow_series(x, "string_view"),
    "polars_series": pl.Series,
    "polars_categories": lambda x: pl.Series(x, dtype=pl.Categorical),
    "polars_enum": polars_enum,
    "arrow": lambda x: arrow().array(x),
    "arrow_large": lambda x: arrow().array(x, arrow().large_string()),
    "arrow_views": lambda x: arrow().array(x, arrow().string_view()),
    "arrow_dictionary": lambda x: arrow().array(x).dictionary_encode(),
    "arrow_chunks": lambda x: arrow().chunked_array([x[:3], x[3:]]),
    "arrow_scalars": lambda x: list(arrow().array(x)),
    "dataset_column": lambda x: hugging_face(x)["column"],
}

# One column of two dimensions.
COLUMNS = {
    "object_column": lambda x: np.array(x, dtype=object)[:, None],
    "frame": lambda x: pd.DataFrame({"column": x}, index=INDEX[: len(x)]),
    "polars_frame": lambda x: pl.DataFrame({"column": x}),
    "arrow_table": lambda x: arrow().table({"column": x}),
    "arrow_batch": lambda x: arrow().record_batch({"column": x}),
    "dataset": hugging_face,
}

# Those that hold no None.
WHOLE_SERIES = {
    **SERIES,
    "str_array": np.array,
    "masked_array": np.ma.array,
    "string_array": strings,
    "arrays_without_dimensions": lambda x: [np.array(text) for text in x],
    "str_objects": lambda x: [np.str_(text) for text in x],
}
WHOLE_COLUMNS = {
    **COLUMNS,
    "str_column": lambda x: np.array(x)[:, None],
    "string_column": lambda x: strings(x)[:, None],
}
DOCUMENTS = {**WHOLE_SERIES, **WHOLE_COLUMNS}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(name, expected):
    X = DOCUMENTS[name](TEXTS)
    model = small().fit(X, LABELS)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    np.testing.assert_array_equal(
        SequenceVectorizer().fit_transform(X), SequenceVectorizer().fit_transform(TEXTS)
    )


@pytest.mark.parametrize("name", WHOLE_SERIES)
def test_labels(name, expected):
    y = WHOLE_SERIES[name](LABELS)
    model = small().fit(pd.Series(TEXTS), y)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected)
    assert model.classes_.tolist() == ["negative", "neutral", "positive"]
    assert {type(label) for label in model.classes_.tolist()} == {str}
    assert model.score(TEXTS, y) == small().fit(TEXTS, LABELS).score(TEXTS, LABELS)


@pytest.mark.parametrize("name", [*WHOLE_COLUMNS, "lists"])
def test_one_column_of_labels_is_taken_with_a_warning(name, expected):
    y = [[label] for label in LABELS] if name == "lists" else WHOLE_COLUMNS[name](LABELS)
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        model = small().fit(TEXTS, y)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected)
    assert model.score(TEXTS, y) == small().fit(TEXTS, LABELS).score(TEXTS, LABELS)


@pytest.mark.parametrize("name", WHOLE_SERIES)
@pytest.mark.filterwarnings("ignore::fastlstm.VocabularyWarning")
def test_labels_of_every_other_argument(name, expected):
    y = WHOLE_SERIES[name](LABELS[:12])
    model = small().fit(TEXTS, LABELS, X_val=TEXTS[:12], y_val=y)
    assert model.history_[0]["val_accuracy"] >= 0
    model = small().partial_fit(TEXTS, LABELS, classes=WHOLE_SERIES[name](sorted({*LABELS})))
    assert model.classes_.tolist() == ["negative", "neutral", "positive"]


@pytest.mark.parametrize("name", {**SERIES, **COLUMNS})
def test_a_missing_label_is_named_by_its_row(name):
    y = {**SERIES, **COLUMNS}[name]([*LABELS[:5], None, *LABELS[6:]])
    with pytest.raises(ValueError, match=r"y has 1 missing label\(s\), the first in row 5"):
        small().fit(TEXTS, y)


NUMBERS = [0, 1] * 20
NUMBER_SERIES = {
    "pandas": lambda kind: pd.Series(NUMBERS, index=INDEX, dtype=kind),
    "polars": lambda kind: pl.Series(NUMBERS).cast(getattr(pl, kind)),
    "arrow": lambda kind: arrow().array(NUMBERS).cast(kind),
    "chunks": lambda kind: arrow().chunked_array([arrow().array(NUMBERS).cast(kind)]),
    "dictionary": lambda kind: arrow().array(NUMBERS).cast(kind).dictionary_encode(),
}
OF_KIND = {
    **dict.fromkeys(["Int64", "int64", "int64[pyarrow]", "category"], np.int64),
    **dict.fromkeys(["Int8", "int8", "int8[pyarrow]"], np.int8),
    **dict.fromkeys(["UInt16", "uint16", "uint16[pyarrow]"], np.uint16),
    **dict.fromkeys(["bool", "boolean", "Boolean", "bool[pyarrow]"], np.bool_),
    **dict.fromkeys(["Float64", "float64"], np.float64),
}


@pytest.mark.parametrize(
    ("container", "kind"),
    [
        *(("pandas", kind) for kind in OF_KIND if kind != "Boolean"),
        *(("polars", kind) for kind in ("Int64", "Int8", "UInt16", "Boolean", "Float64")),
        *(
            (container, kind)
            for container in ("arrow", "chunks", "dictionary")
            for kind in ("int64", "int8", "uint16", "bool")
        ),
    ],
)
def test_numbers_and_booleans_stay_what_they_are(container, kind):
    if "pyarrow" in kind:
        arrow()
    y = NUMBER_SERIES[container](kind)
    if container == "pandas" and np.asarray(y).dtype == object:
        pytest.skip("pandas before 2.2 gives no width of nullable numbers")
    model = small().fit(TEXTS, y)
    assert model.classes_.tolist() == [0, 1]
    assert model.classes_.dtype == OF_KIND[kind]
    assert model.predict(TEXTS).dtype == model.classes_.dtype
    assert model.score(TEXTS, y) == model.score(TEXTS, NUMBERS)


@pytest.mark.parametrize(
    "make",
    [
        list,
        deque,
        lambda y: np.array(y, dtype=object),
        lambda y: pd.Series(y, dtype="Int64"),
        lambda y: pd.Series([None if v is None else bool(v) for v in y], dtype="boolean"),
        lambda y: pd.Series(y, dtype="category"),
        lambda y: arrow_series(y, "int8"),
        lambda y: arrow_series([None if v is None else v > 0 for v in y], "bool_"),
        pl.Series,
        lambda y: pl.Series(y).cast(pl.Boolean),
        lambda y: arrow().array(y),
        lambda y: arrow().array(y).cast("bool"),
        lambda y: arrow().chunked_array([y]),
        lambda y: hugging_face(y)["column"],
        lambda y: np.ma.array([v or 0 for v in y], mask=[v is None for v in y]),
        lambda y: np.array([np.nan if v is None else v for v in y]),
    ],
)
def test_a_missing_number_is_named_by_its_row(make):
    y = make([*NUMBERS[:7], None, *NUMBERS[8:]])
    with pytest.raises(ValueError, match=r"y has 1 missing label\(s\), the first in row 7"):
        small().fit(TEXTS, y)


@pytest.mark.parametrize("na", [None, np.nan, pd.NA])
def test_a_missing_label_of_a_string_array(na):
    y = strings([*LABELS[:5], na, *LABELS[6:]], na_object=na)
    with pytest.raises(ValueError, match=r"y has 1 missing label\(s\), the first in row 5"):
        small().fit(TEXTS, y)


class Mood(str, enum.Enum):
    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Stars(enum.IntEnum):
    negative = 1
    neutral = 3
    positive = 5

    def __int__(self):
        return 0


class Shouting(str):
    def __str__(self):
        return self.upper()

    def __repr__(self):
        return "!"


PLAIN = {
    "enum": (Mood, str, ["negative", "neutral", "positive"]),
    "numbers": (Stars.__getitem__, int, [1, 3, 5]),
    "subclass": (Shouting, str, ["negative", "neutral", "positive"]),
    "numpy": (np.str_, str, ["negative", "neutral", "positive"]),
    "numpy_numbers": (lambda y: np.int16(Stars[y].value), int, [1, 3, 5]),
}
HOLDERS = {
    "list": list,
    "user_list": UserList,
    "object_array": lambda y: np.array([*y, None], dtype=object)[:-1],
    "object_series": lambda y: pd.Series(y, index=INDEX, dtype=object),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("kind", PLAIN)
def test_members_of_subclasses_are_plain_labels(kind, holder, expected, tmp_path):
    make, plain, classes = PLAIN[kind]
    y = HOLDERS[holder]([make(label) for label in LABELS])
    model = small().fit(TEXTS, y)
    assert model.classes_.tolist() == classes
    assert {type(label) for label in model.classes_.tolist()} == {plain}
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected)
    assert model.score(TEXTS, y) == small().fit(TEXTS, LABELS).score(TEXTS, LABELS)
    model.save(tmp_path / "model")
    assert Predictor(tmp_path / "model").classes_.tolist() == classes


@pytest.mark.parametrize("kind", PLAIN)
def test_weights_of_classes_are_named_by_the_members_themselves(kind):
    make, _, classes = PLAIN[kind]
    y = [make(label) for label in LABELS]
    by_member = {make("negative"): 2.0, make("positive"): 0.5}
    model = small().set_params(class_weight=by_member).fit(TEXTS, y)
    base = small().set_params(class_weight={classes[0]: 2.0, classes[2]: 0.5}).fit(TEXTS, y)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), base.predict_proba(TEXTS))
    assert not np.array_equal(
        model.predict_proba(TEXTS), small().fit(TEXTS, y).predict_proba(TEXTS)
    )
    explained = model.explain(TEXTS[:1], target=make("positive"))
    assert explained[0].targets.tolist() == [classes[2]]


@pytest.mark.parametrize("make", [np.int64, np.array, lambda n: np.array(n > 0)])
def test_numbers_one_by_one(make):
    model = small().fit(TEXTS, [make(n) for n in NUMBERS])
    assert model.classes_.tolist() == [0, 1]
    assert model.classes_.dtype in (np.int64, np.bool_)


def test_scalars_of_arrow_are_no_bytes():
    model = small().fit(TEXTS, list(arrow().array(NUMBERS)))
    assert model.classes_.tolist() == [0, 1]
    with pytest.raises(ValueError, match="y mixes types: row 0 is 'a' .* row 1 is 1"):
        small().fit(TEXTS, [arrow().scalar("a"), arrow().scalar(1)] * 20)


def test_labels_that_differ_in_zeros_at_the_end_stay_apart():
    model = small().fit(TEXTS, ["a", "a\0"] * 20)
    assert model.classes_.tolist() == ["a", "a\0"]


@pytest.mark.parametrize(
    "make", [list, tuple, np.array, lambda w: pd.Series(w, index=INDEX), pl.Series]
)
def test_sample_weight(make):
    weight = [1.0, 2.0, 0.0, 0.5] * 10
    model = small().fit(TEXTS, LABELS, sample_weight=make(weight))
    base = small().fit(TEXTS, LABELS, sample_weight=np.array(weight))
    np.testing.assert_array_equal(model.predict_proba(TEXTS), base.predict_proba(TEXTS))


IDS = SequenceVectorizer(max_length=None).fit_transform(TEXTS)
ID_ARRAYS = {
    "lists": IDS.tolist(),
    "int64": IDS.astype(np.int64),
    "int16": IDS.astype(np.int16),
    "uint64": IDS.astype(np.uint64),
    "float64": IDS.astype(float),
    "object": IDS.astype(object),
    "fortran": np.asfortranarray(IDS),
    "view": np.repeat(IDS, 2, axis=1)[:, ::2],
    "frame": pd.DataFrame(IDS, index=INDEX),
    "polars": pl.DataFrame(IDS),
}


@pytest.fixture(scope="module")
def expected_of_ids():
    return LSTMClassifier(**SMALL).fit(IDS, LABELS).predict_proba(IDS)


def test_token_ids_are_those_of_the_text_estimator(expected_of_ids):
    model = LSTMSentimentClassifier(**{**NETWORK_ALONE, **SMALL}).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected_of_ids)


@pytest.mark.parametrize("name", ID_ARRAYS)
def test_token_ids(name, expected_of_ids):
    X = ID_ARRAYS[name]
    model = LSTMClassifier(**SMALL).fit(X, LABELS)
    np.testing.assert_array_equal(model.predict_proba(X), expected_of_ids)


def test_read_only_token_ids(expected_of_ids):
    X = IDS.copy()
    X.flags.writeable = False
    model = LSTMClassifier(**SMALL).fit(X, LABELS)
    np.testing.assert_array_equal(model.predict_proba(X), expected_of_ids)


def test_column_names_of_token_ids_are_remembered():
    frame = pd.DataFrame(IDS).add_prefix("token_")
    model = LSTMClassifier(**SMALL).fit(frame, LABELS)
    assert model.feature_names_in_.tolist() == list(frame.columns)
    model.predict(frame)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.add_prefix("x"))
