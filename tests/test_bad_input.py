"""Input that cannot be used: what is raised, and that the message helps; odd input that can.

Each row of a table is one case. Messages have to name the place and the mend.
"""

from __future__ import annotations

import io
import os
import pathlib
import sys
from contextlib import contextmanager
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, SequenceVectorizer
from fastlstm.core.errors import BackendError, TruncationWarning
from fastlstm.core.methods import METHODS
from fastlstm.explain import PREDICTED
from tests.helpers import without_bfloat16

TEXTS = ["good film", "bad film", "fine 好看", "dull 难看"] * 3
LABELS = ["good", "bad", "good", "bad"] * 3
IDS = np.array([[2, 3, 0], [4, 3, 0], [5, 6, 0], [7, 8, 9]] * 3)
NUMBERS = [1, 0, 1, 0] * 3

SMALL = {
    "embedding_dim": 2, "hidden_size": 2, "max_epochs": 1, "early_stopping": False,
    "random_state": 0, "n_jobs": 1,
}  # fmt: skip


def text(**settings):
    return LSTMSentimentClassifier(**{**SMALL, **settings})


def tokens(**settings):
    return LSTMClassifier(**{**SMALL, **settings})


@pytest.fixture(scope="module")
def model():
    return text().fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.fastlstm"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def token_model():
    return tokens(vocabulary_size=10).fit(IDS, NUMBERS)


@contextmanager
def raises_exactly(kind, message):
    """``pytest.raises`` for this very type, not a subclass."""
    with pytest.raises(kind, match=message) as caught:
        yield
    assert caught.type is kind


# -- documents, wherever they enter -----------------------------------------------------

MISSING = r"NAME has 1 missing document\(s\), the first in row 1.*missing='empty'.*drop the row"
LONE = r"NAME is a single {}; pass a list of documents: \[NAME\]"
OTHER = r"NAME must be a list, tuple.*got {}; if it holds documents, pass list\(NAME\)"
LIST = "NAME must be a list, tuple.*got {}; pass a list of documents"
NONE_AT_ALL = "NAME holds no documents; pass at least one"
EMPTY = ("empty_list", "empty_tuple", "empty_array", "empty_column", "empty_series", "empty_frame")

DOCUMENTS = [
    # id, documents, exception, message
    ("none", None, TypeError, LIST.format("NoneType")),
    ("number", 3, TypeError, LIST.format("int")),
    ("str", "a good film", TypeError, LONE.format("str")),
    ("bytes", b"a good film", TypeError, LONE.format("bytes")),
    ("dict", {"a": "b"}, TypeError, "got dict; pass one of its values"),
    ("set", {"a", "b"}, TypeError, "got set; it has no order: pass a list of documents"),
    ("path", pathlib.Path("a.txt"), TypeError, r"pathlib.*Path; read the file first"),
    ("file", io.StringIO("a"), TypeError, r"got io.StringIO; read the file first"),
    ("generator", (t for t in TEXTS), TypeError, OTHER.format("generator")),
    ("map", map(str, TEXTS), TypeError, OTHER.format("map")),
    ("empty_list", [], ValueError, NONE_AT_ALL),
    ("empty_tuple", (), ValueError, NONE_AT_ALL),
    ("empty_array", np.array([], dtype=object), ValueError, NONE_AT_ALL),
    ("empty_column", np.empty((0, 1), dtype=object), ValueError, NONE_AT_ALL),
    ("empty_series", pd.Series([], dtype=object), ValueError, NONE_AT_ALL),
    ("empty_frame", pd.DataFrame({"text": []}, dtype=object), ValueError, NONE_AT_ALL),
    ("element_none", ["a", None, "c"], ValueError, MISSING),
    ("element_nan", ["a", float("nan"), "c"], ValueError, MISSING),
    ("element_nan32", ["a", np.float32("nan"), "c"], ValueError, MISSING),
    ("element_na", ["a", pd.NA, "c"], ValueError, MISSING),
    ("element_nat", ["a", pd.NaT, "c"], ValueError, MISSING),
    ("series_none", pd.Series(["a", None, "c"], dtype=object), ValueError, MISSING),
    ("series_na", pd.Series(["a", pd.NA, "c"], dtype="string"), ValueError, MISSING),
    ("series_new_index", pd.Series(["a", None], index=[7, 3]), ValueError, MISSING),
    ("frame_none", pd.DataFrame({"text": ["a", None, "c"]}), ValueError, MISSING),
    ("polars_null", pl.Series(["a", None, "c"]), ValueError, MISSING),
    ("array_none", np.array(["a", None, "c"], dtype=object), ValueError, MISSING),
    ("three_missing", ["a", None, None, None], ValueError, r"3 missing document\(s\).*row 1"),
    ("element_int", ["a", 3], TypeError, r"NAME must hold str, but row 1 is int; .*str\(value\)"),
    ("element_float", ["a", 1.5], TypeError, "row 1 is float; turn it into text"),
    ("element_bool", ["a", True], TypeError, "row 1 is bool; turn it into text"),
    ("element_bytes", ["a", b"b"], TypeError, "row 1 is bytes; decode it.*'utf-8'"),
    ("element_list", ["a", ["b", "c"]], TypeError, "row 1 is list; join its tokens.*LSTMClass"),
    ("element_array", ["a", np.array(["b"])], TypeError, "row 1 is numpy.ndarray; join its tokens"),
    ("element_dict", ["a", "b", {}], TypeError, "row 2 is dict; take the text out.*drop the row"),
    ("lists_of_ids", [[1, 2], [3]], TypeError, "row 0 is list; .*token ids to LSTMClassifier"),
    ("bytes_array", np.array(["a", "b"], dtype="S"), TypeError, "row 0 is bytes; decode it"),
    ("int_array", np.array([1, 2]), TypeError, "array of int.*LSTMClassifier takes token ids"),
    ("float_array", np.ones(3), TypeError, "NAME is an array of float64; pass documents as str"),
    ("int_series", pd.Series([1, 2]), TypeError, "array of int64; pass documents as str"),
    ("polars_ints", pl.Series([1, 2]), TypeError, r"row 0 is int; turn it into text"),
    ("polars_struct", pl.Series([{"a": "b"}]), TypeError, "row 0 is dict; take the text out of"),
    ("scalar_array", np.array("a"), TypeError, "an array without dimensions; pass a list"),
    ("one_row", np.array([["a", "b"]]), ValueError, r"shape \(1, 2\); .*NAME\[:, 0\]"),
    ("two_columns", np.array([["a", "b"]] * 2), ValueError, r"pass one column.*NAME\[:, 0\]"),
    ("cube", np.full((2, 1, 1), "a"), ValueError, r"shape \(2, 1, 1\); documents are one-dim"),
    ("frame", pd.DataFrame({"id": ["1"], "text": ["a"]}), ValueError,
     r"NAME has 2 columns \('id', 'text'\); pass the one with the .*, probably NAME\['text'\]"),
    ("polars_frame", pl.DataFrame({"id": [1], "text": ["a"]}), ValueError, "NAME has 2 columns"),
    ("no_columns", pd.DataFrame(index=[0, 1]), ValueError, "NAME has 0 columns"),
    ("lazy", pl.DataFrame({"text": ["a"]}).lazy(), TypeError, r"polars.LazyFrame.*call NAME.coll"),
    ("sparse_matrix", csr_matrix(np.eye(2)), TypeError, "NAME is a sparse matrix; pass a list of"),
    ("sparse_array", csr_array(np.eye(2)), TypeError, "NAME is a sparse matrix; pass a list of"),
]  # fmt: skip

FITTING = ("fit", "partial_fit", "validation", "vectorizer")
ENTRANCES = {
    "fit": lambda model, path, X: text().fit(X, LABELS),
    "partial_fit": lambda model, path, X: text().partial_fit(X, LABELS),
    "validation": lambda model, path, X: text().fit(TEXTS, LABELS, X_val=X, y_val=LABELS),
    "predict": lambda model, path, X: model.predict(X),
    "predict_proba": lambda model, path, X: model.predict_proba(X),
    "vectorizer": lambda model, path, X: SequenceVectorizer().fit_transform(X),
    "predictor": lambda model, path, X: Predictor(path).predict(X),
}


# A fit reads columns beside the text; a model of texts alone does not.
TABLES = ("frame", "polars_frame")


@pytest.mark.parametrize(
    ("entrance", "X", "kind", "message"),
    [
        pytest.param(entrance, *row, id=f"{name}-{entrance}")
        for name, *row in DOCUMENTS
        for entrance in ENTRANCES
        if entrance in FITTING or name not in EMPTY
        if entrance not in ("fit", "partial_fit") or name not in TABLES
    ],
)
def test_documents(model, saved, entrance, X, kind, message):
    name = "X_val" if entrance == "validation" else "X"
    if entrance == "validation" and X is None:
        kind, message = ValueError, "NAME is missing: pass X_val and y_val together"
    if entrance == "predictor":
        message = message.replace("missing='empty'", "pass '' in their place")
    with raises_exactly(kind, message.replace("NAME", name)):
        ENTRANCES[entrance](model, saved, X)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("X", [row[1] for row in DOCUMENTS if row[0] in EMPTY], ids=EMPTY)
def test_no_documents_have_an_empty_answer(X, classes, tmp_path):
    labels = LABELS if classes == 2 else ["good", "bad", "none"] * 4
    model = text(wide="nb").fit(TEXTS, labels)
    model.save(tmp_path / "model")
    scores = (0,) if classes == 2 else (0, 3)
    for reader in (model, Predictor(tmp_path / "model")):
        found = reader.predict(X)
        assert found.shape == (0,)
        assert found.dtype == reader.predict(TEXTS).dtype
        found = reader.predict_proba(X)
        assert found.shape == (0, classes)
        assert found.dtype == np.float64
        for method in METHODS:
            for target in (None, PREDICTED, "good"):
                assert reader.explain(X, method=method, target=target) == []
    for found in (model.decision_function(X), *model.decision_parts(X).values()):
        assert found.shape == scores
        assert found.dtype == np.float64
    assert Predictor(tmp_path / "model").encode(X).n_documents == 0


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("max_length", [None, 7])
@pytest.mark.parametrize("X", [row[1] for row in DOCUMENTS if row[0] in EMPTY], ids=EMPTY)
def test_no_documents_have_no_ids(X, max_length, padding):
    vectorizer = SequenceVectorizer(max_length=max_length, padding=padding).fit(TEXTS)
    found = vectorizer.transform(X)
    assert found.shape == (0, vectorizer.n_columns_)
    assert found.dtype == np.int32


def test_no_token_ids_are_an_error(token_model):
    # As scikit-learn's checks of estimators of numbers have it.
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        token_model.predict(IDS[:0])


# -- everything else that is handed over ---------------------------------------------------


def fit(y, X=TEXTS, estimator=text, **arguments):
    return partial(lambda: estimator().fit(X, y, **arguments))


def weigh(weight):
    return lambda: text().fit(TEXTS, LABELS, sample_weight=weight)


def weigh_classes(weights):
    return lambda: text(class_weight=weights).fit(TEXTS, LABELS)


def put(values, row, value):
    return [*values[:row], value, *values[row + 1 :]]


def with_ids(row, column, value):
    X = IDS.astype(object) if isinstance(value, (str, type(None))) else IDS.astype(type(value))
    X[row, column] = value
    return X


ARGUMENTS = [
    # id, call, exception, message
    # classes of partial_fit
    ("classes_short", lambda: text().partial_fit(TEXTS, LABELS, classes=["good"]), ValueError,
     "classes has 1 label.*Pass all labels that will ever occur"),
    ("classes_none_of_y", lambda: text().partial_fit(TEXTS, LABELS, classes=["a", "b"]),
     ValueError, r"y has label 'good' in row 0.*among the classes \['a', 'b'\].*pass them all"),
    ("classes_mixed", lambda: text().partial_fit(TEXTS, LABELS, classes=["a", 1]), ValueError,
     "classes mixes types"),
    ("classes_str", lambda: text().partial_fit(TEXTS, LABELS, classes="ab"), TypeError,
     r"classes is a single str; pass a list of labels: \[classes\]"),
    ("classes_set", lambda: text().partial_fit(TEXTS, LABELS, classes={*LABELS}), TypeError,
     "classes must be a list.*got set; it has no order: pass a list of labels"),
    ("classes_nan", lambda: text().partial_fit(TEXTS, LABELS, classes=["a", None]), ValueError,
     r"classes has 1 missing label\(s\), the first in row 1"),
    # weights
    ("weight_negative", weigh(put([1.0] * 12, 5, -2.0)), ValueError,
     r"sample_weight is negative in row 5 \(-2\). Use 0 to leave a row out"),
    ("weight_nan", weigh(put([1.0] * 12, 5, np.nan)), ValueError,
     r"sample_weight is nan .*in row 5.*Use 0 to leave a row out"),
    ("weight_infinite", weigh(put([1.0] * 12, 5, np.inf)), ValueError, "is inf .*in row 5"),
    ("weight_none", weigh(put([1.0] * 12, 5, None)), ValueError, "is nan .*in row 5"),
    ("weight_masked", weigh(np.ma.masked_equal([1] * 5 + [9] * 7, 9)), ValueError, "in row 5"),
    ("weight_text", weigh(["much"] * 12), ValueError, "must hold numbers.*one weight per document"),
    ("weight_zero", weigh([0.0] * 12), ValueError, "zero in every row.*Give some rows a weight"),
    ("weight_huge", weigh([1e308] * 12), ValueError, "sum of sample_weight is infinite. Scale"),
    ("weight_short", weigh([1.0] * 11), ValueError, r"expected \(12,\): pass one weight per doc"),
    ("weight_column", weigh(np.ones((12, 1))), ValueError, "has 2 dimensions. Pass one weight"),
    ("weight_empty", weigh([]), ValueError, r"sample_weight.shape == \(0,\)"),
    ("classes_weight_unknown", weigh_classes({"mixed": 1.0}), ValueError,
     r"class_weight has 'mixed', which is not among the classes \['bad', 'good'\]. Drop it"),
    ("classes_weight_negative", weigh_classes({"good": -1}), ValueError,
     "class_weight of 'good' is -1. Use a finite number of at least 0"),
    ("classes_weight_nan", weigh_classes({"good": np.nan}), ValueError, "of 'good' is nan"),
    ("classes_weight_infinite", weigh_classes({"bad": np.inf}), ValueError, "of 'bad' is inf"),
    ("classes_weight_text", weigh_classes({"good": "2"}), ValueError, "of 'good' is '2'. Use a"),
    ("classes_weight_none", weigh_classes({"good": None}), ValueError, "of 'good' is None"),
    ("classes_weight_zero", weigh_classes({"good": 0, "bad": 0}), ValueError, "zero for every"),
    # validation data
    ("no_y_val", fit(LABELS, X_val=TEXTS), ValueError, "y_val is missing: pass X_val and y_val"),
    ("no_X_val", fit(LABELS, y_val=LABELS), ValueError, "X_val is missing: pass X_val and y_val"),
    ("new_in_y_val", fit(LABELS, X_val=TEXTS[:2], y_val=["good", "mixed"]), ValueError,
     r"y_val has label 'mixed' in row 1, which is not among the classes \['bad', 'good'\]"),
    ("short_y_val", fit(LABELS, X_val=TEXTS, y_val=["good"]), ValueError,
     "X_val has 12 documents and y_val has 1 labels"),
    ("none_in_y_val", fit(LABELS, X_val=TEXTS[:2], y_val=["good", None]), ValueError,
     r"y_val has 1 missing label\(s\), the first in row 1"),
    ("other_y_val", fit(LABELS, X_val=TEXTS[:2], y_val=[0, 1]), ValueError, "y_val has label 0 in"),
    ("id_in_X_val", fit(NUMBERS, IDS, tokens, X_val=IDS + 90, y_val=NUMBERS), ValueError,
     "X_val has 92 in row 0, column 0: the vocabulary has 10 ids"),
    # token ids
    ("ids_none", fit(NUMBERS, None, tokens), ValueError, "2D array"),
    ("ids_negative", fit(NUMBERS, with_ids(3, 1, -1), tokens), ValueError,
     "Negative values|X has -1 in row 3, column 1: .* start at 0"),
    ("ids_fraction", fit(NUMBERS, with_ids(3, 1, 0.5), tokens), ValueError,
     "X has 0.5 in row 3, column 1: token ids are whole numbers. Use SequenceVectorizer"),
    ("ids_nan", fit(NUMBERS, with_ids(3, 1, np.nan), tokens), ValueError, "X contains NaN"),
    ("ids_infinite", fit(NUMBERS, with_ids(3, 1, np.inf), tokens), ValueError, "contains infinity"),
    ("ids_text", fit(NUMBERS, with_ids(3, 1, "film"), tokens), ValueError, "could not convert"),
    ("ids_element_none", fit(NUMBERS, with_ids(3, 1, None), tokens), ValueError, "X contains NaN"),
    ("ids_documents", fit(NUMBERS, TEXTS, tokens), ValueError, "2D array, got 1D array|array"),
    ("ids_flat", fit(NUMBERS, IDS[:, 0], tokens), ValueError, "Expected 2D array, got 1D array"),
    ("ids_cube", fit(NUMBERS, IDS[:, :, None], tokens), ValueError, "dim 3|<= 2 expected|3D"),
    ("ids_ragged", fit([0, 1], [[2, 3], [4]], tokens), ValueError, "inhomogeneous"),
    ("ids_no_rows", fit([], IDS[:0], tokens), ValueError, "0 sample"),
    ("ids_no_columns", fit(NUMBERS, IDS[:, :0], tokens), ValueError, r"0 feature\(s\)"),
    ("ids_complex", fit(NUMBERS, IDS + 1j, tokens), ValueError, "Complex data not supported"),
    ("ids_sparse", fit(NUMBERS, csr_array(IDS), tokens), TypeError, "[Ss]parse.*dense"),
    ("ids_too_large", fit(NUMBERS, with_ids(3, 1, 2**31), tokens), ValueError,
     "X has 2147483648 in row 3, column 1: the vocabulary has"),
    ("ids_of_vocabulary", lambda: tokens(vocabulary_size=9).fit(IDS, NUMBERS), ValueError,
     "X has 9 in row 3, column 2: the vocabulary has 9 ids, 0 to 8. Map unknown tokens to 1"),
    # what cannot be learned or run
    ("no_token", fit(["good", "bad"], ["", " "]), ValueError, "no document holds a token; check"),
    ("min_df", lambda: text(min_df=50).fit(TEXTS, LABELS), ValueError,
     "no token occurs in min_df=50 of the 12 documents; lower min_df"),
    ("vectorizer_no_token", lambda: SequenceVectorizer().fit(["", "\n"]), ValueError, "no docu"),
    ("tokenizer_text", lambda: text(tokenizer=str.strip).fit(TEXTS, LABELS), TypeError,
     r"the tokenizer returned str; it must return a list of str.*list\(tokens\)"),
    ("tokenizer_none", lambda: text(tokenizer=lambda t: None).fit(TEXTS, LABELS), TypeError,
     "the tokenizer returned NoneType; it must return a list"),
    ("tokenizer_numbers", lambda: text(tokenizer=lambda t: [1]).fit(TEXTS, LABELS), TypeError,
     "a list that holds int; every token must be str"),
    # not fitted
    ("predict_first", lambda: text().predict(TEXTS), NotFittedError, "not fitted yet. Call 'fit'"),
    ("proba_first", lambda: text().predict_proba(TEXTS), NotFittedError, "not fitted yet"),
    ("decide_first", lambda: text().decision_function(TEXTS), NotFittedError, "not fitted yet"),
    ("score_first", lambda: text().score(TEXTS, LABELS), NotFittedError, "not fitted yet"),
    ("save_first", lambda: text().save("never"), NotFittedError, "not fitted yet"),
    ("ids_first", lambda: tokens().predict(IDS), NotFittedError, "LSTMClassifier.*not fitted yet"),
    ("transform_first", lambda: SequenceVectorizer().transform(TEXTS), NotFittedError, "not fitt"),
    ("names_first", lambda: SequenceVectorizer().get_feature_names_out(), NotFittedError, "not f"),
    # files
    ("load_nothing", lambda: fastlstm.load("no/such/file"), FileNotFoundError, "no/such/file"),
    ("load_folder", lambda: fastlstm.load(os.curdir), IsADirectoryError, "is a folder"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "kind", "message"), [row[1:] for row in ARGUMENTS], ids=[row[0] for row in ARGUMENTS]
)
def test_arguments(call, kind, message):
    with raises_exactly(kind, message):
        call()


def test_bfloat16_on_a_cpu_without_it(monkeypatch):
    without_bfloat16(monkeypatch)
    model = text(precision="bfloat16", backend="auto")
    with raises_exactly(BackendError, "precision='bfloat16' needs a CPU.*precision='float32'"):
        model.fit(TEXTS, LABELS)
    with pytest.raises(NotFittedError):
        model.predict(TEXTS)


PREDICTED_IDS = [
    ("negative", IDS - 5, "X has -3 in row 0, column 0: Negative values.*0 is padding"),
    ("beyond", IDS + 7, "X has 10 in row 0, column 1: the vocabulary has 10 ids, 0 to 9"),
    ("fraction", IDS / 2, "X has 1.5 in row 0, column 1: token ids are whole numbers"),
    ("narrow", IDS[:, :2], "X has 2 features, but LSTMClassifier is expecting 3"),
    ("flat", IDS[0], "Expected 2D array, got 1D array"),
    ("nan", np.full((1, 3), np.nan), "X contains NaN"),
    ("none", None, "Expected 2D array|None"),
]


@pytest.mark.parametrize(
    ("X", "message"), [row[1:] for row in PREDICTED_IDS], ids=[row[0] for row in PREDICTED_IDS]
)
def test_predicted_token_ids(token_model, X, message):
    with raises_exactly(ValueError, message):
        token_model.predict(X)


@pytest.mark.parametrize("call", ["fit", "transform"])
def test_jieba_is_not_installed(monkeypatch, saved, call):
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with raises_exactly(ImportError, r"pip install 'fastlstm\[zh\]'.*tokenizer='auto' needs noth"):
        if call == "fit":
            text(tokenizer="jieba").fit(TEXTS, LABELS)
        else:
            SequenceVectorizer(tokenizer="jieba").fit_transform(TEXTS)


def test_backend_that_does_not_load(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastlstm.kernels._cython_lstm", None)
    with raises_exactly(BackendError, "backend='cython' cannot be loaded.*Pass backend='auto'"):
        text(backend="cython").fit(TEXTS, LABELS)


# -- parameters -------------------------------------------------------------------------------

COUNT = [0, -1, 1.5, "3", None]
SHARE = [-0.1, 1.0, 2, "half", None, float("nan")]
ABOVE_ZERO = [0, 0.0, -1e-3, "much", float("nan")]
FLAG = ["yes", None, 2, 0.5]
CHOICE = ["", "other", 3, None]

TEXT_PARAMETERS = {
    "tokenizer": CHOICE,
    "lowercase": FLAG,
    "normalize": ["", "html", 3, ["htm"], [None], [["html"]]],
    "max_features": [0, -1, 1.5, "all"],
    "min_df": [0, -1, 0.0, 1.5, "two", None],
    "max_length": [0, -1, 1.5, "all"],
    "truncation": CHOICE,
    "missing": CHOICE,
    "zh_script": ["", "traditional", 3],
    "vocabulary": ["good", 3, 1.5],
}
WIDE_PARAMETERS = {
    "wide": ["", "other", 3], "text_column": [3, 1.5, ["title", 3]], "side": ["", "other", 3],
}  # fmt: skip
OF_IDS = {"vocabulary_size": [0, -1, 1.5, "all"], "targets": CHOICE, "step_dropout": SHARE}
TRAINING_PARAMETERS = {
    "embedding_dim": COUNT,
    "hidden_size": COUNT,
    "num_layers": COUNT,
    "bidirectional": FLAG,
    **dict.fromkeys(("cell", "pooling", "segment_state"), CHOICE),
    "dropout": SHARE,
    **dict.fromkeys(("embedding_dropout", "token_dropout"), SHARE),
    "ngrams": COUNT,
    **dict.fromkeys(("max_ngrams", "segment_length"), [0, -1, 1.5, "all"]),
    "ngram_dropout": SHARE,
    "recompute": ["", "always", 2, None],
    "train_vectors": [None, 2],
    "forget_bias": ["", None],
    "average_decay": SHARE,
    "word_vectors": [3, 1.5, ["skipgram"]],
    "optimizer": CHOICE,
    "learning_rate": [*ABOVE_ZERO, None],
    "learning_rate_schedule": CHOICE,
    "warmup_fraction": SHARE,
    "max_grad_norm": ABOVE_ZERO,
    "momentum": SHARE,
    "weight_decay": [-0.1, "some", None, float("nan")],
    "batch_size": COUNT,
    "max_epochs": COUNT,
    **dict.fromkeys(("early_stopping", "calibrate", "warm_start"), FLAG),
    "validation_fraction": [0, 0.0, *SHARE],
    "n_estimators": COUNT,
    "n_iter_no_change": COUNT,
    "class_weight": ["even", 2, [("good", 1.0)]],
    "privacy": [3.0, "3"],
    "random_state": [-1, 1.5, "seed"],
    "n_jobs": [1.5, "2"],
    "verbose": [-1, "loud", None],
    "backend": CHOICE,
    "precision": ["float64", 32, None],
}
ESTIMATORS = {
    LSTMSentimentClassifier: (
        TEXT_PARAMETERS | WIDE_PARAMETERS | TRAINING_PARAMETERS, TEXTS, LABELS),
    LSTMClassifier: ({**TRAINING_PARAMETERS, **OF_IDS}, IDS, NUMBERS),
    SequenceVectorizer: ({**TEXT_PARAMETERS, "padding": ["none", None, 0]}, TEXTS, LABELS),
}  # fmt: skip
PARAMETERS = [
    (kind, name, value)
    for kind, (table, _, _) in ESTIMATORS.items()
    for name, values in table.items()
    for value in values
]


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_every_parameter_is_in_the_table(kind):
    assert ESTIMATORS[kind][0].keys() == kind().get_params().keys()


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    PARAMETERS,
    ids=[f"{kind.__name__}-{name}-{value!r}" for kind, name, value in PARAMETERS],
)
def test_parameters(kind, name, value):
    _, X, y = ESTIMATORS[kind]
    settings = {} if kind is SequenceVectorizer else SMALL
    estimator = kind(**{**settings, name: value})
    expected = rf"The '{name}' parameter of {kind.__name__} must be .*Got {value!r}".replace(
        "[", r"\["
    )
    for call in ("fit", "fit_transform" if kind is SequenceVectorizer else "partial_fit"):
        with raises_exactly(
            InvalidParameterError, expected.replace("(", r"\(").replace(")", r"\)")
        ):
            getattr(estimator, call)(X, y)


# -- odd documents that must work ------------------------------------------------------------

MEGABYTE = 2**20
ODD = {
    "empty": "",
    "space": " \t\n\r\v\f",
    "wide_space": "\u3000\u2003\xa0",
    "unknown": "zebra quagga okapi",
    "one_letter": "a",
    "unknown_script": "ᚠᛇᚻ ሰላም ᐃᓄᒃ",
    "lone_surrogate": "good \ud83d film",
    "low_surrogate": "\udc00" * 5,
    "reversed_surrogates": "\ude00\ud83d",
    "nul": "good\0film",
    "only_nul": "\0" * 10,
    "controls": "".join(map(chr, range(32))) + "\x7f\x85",
    "right_to_left": "\u202egood\u202c film \u200f שלום مرحبا",
    "only_marks": "\u200b\u200c\u200d\u2060\ufeff\u202e",
    "combining": "e\u0301" * 50 + "\u0301" * 500,
    "only_combining": "\u0301" * 200,
    "emoji": "👩‍👩‍👧‍👦👍🏽🇩🇪1️⃣❤️🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "emoji_parts": "\u200d\ufe0f\u20e3🏽🇩",
    "joined_emoji": "\u200d".join("👩" * 300),
    "mathematical": "𝔤𝔬𝔬𝔡 ﬁlm ＧＯＯＤ",
    "private_use": "\ue000\U0010ffff\ufffe\uffff",
    "special_tokens": "<pad> <unk> <pad>",
    "html": "<p>good</p> <!-- bad --> &amp; &#0; &#xD800; &#99999999999; <br",
    "open_comment": "<!--" * 100,
    "percent": "%s %d {0} {} $x \\d \\ud800 \\",
    "long_number": "9" * 5000 + "." + "9" * 5000,
    "marks": "!?" * 1000,
    "spaceless": "好" * 2000,
    "subclass": type("Str", (str,), {"__str__": lambda self: 1 / 0})("good film"),
    "numpy": np.str_("good film"),
    "long_document": "good film, bad ending! " * (10 * MEGABYTE // 23),
    "long_token": "a" * (10 * MEGABYTE),
    "long_chinese": "好看" * (MEGABYTE // 2),
    "long_emoji": "👍🏽" * (MEGABYTE // 8),
    "long_combining": "\u0301" * MEGABYTE,
    "long_blank": " " * (10 * MEGABYTE),
    "long_markup": "<" * MEGABYTE,
}


def assert_probabilities(values, n):
    assert values.shape == (n, 2)
    assert np.isfinite(values).all() and (values >= 0).all()
    np.testing.assert_allclose(values.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("name", ODD)
def test_odd_documents_are_predicted(model, saved, name):
    probabilities = model.predict_proba([ODD[name], "good film"])
    assert_probabilities(probabilities, 2)
    np.testing.assert_array_equal(probabilities[1:], model.predict_proba(["good film"]))
    np.testing.assert_array_equal(Predictor(saved).predict_proba([ODD[name]]), probabilities[:1])


SHORT = [name for name in ODD if not name.startswith("long_")]


@pytest.mark.parametrize("tokenizer", ["auto", "word", "char", "jieba"])
def test_odd_documents_are_learned(tokenizer, tmp_path):
    texts = [*(ODD[name] for name in SHORT), *TEXTS]
    y = ["odd"] * len(SHORT) + ["even"] * len(TEXTS)
    model = text(tokenizer=tokenizer, max_length=None).fit(texts, y)
    assert_probabilities(model.predict_proba(texts), len(texts))
    model.save(tmp_path / "model")  # surrogates may be in the vocabulary
    loaded = fastlstm.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(texts), model.predict_proba(texts))
    ids = SequenceVectorizer(tokenizer=tokenizer, max_length=None).fit_transform(texts)
    assert_probabilities(tokens().fit(ids, y).predict_proba(ids), len(texts))


@pytest.mark.parametrize("name", ["long_document", "long_token"])
def test_ten_megabytes_are_learned(name):
    texts, y = [ODD[name], *TEXTS], ["odd", *LABELS]
    if name == "long_document":
        with pytest.warns(TruncationWarning, match="1 of 13 documents .* max_length=600 and lost"):
            model = text().fit(texts, y)
    else:
        model = text().fit(texts, y)
    assert np.isfinite(model.predict_proba(texts)).all()


@pytest.mark.parametrize("X", [IDS * 0, IDS[:1] * 0, np.zeros((5, 1)), np.eye(3), IDS * [1, 0, 1]])
def test_odd_token_ids_are_predicted(token_model, X):
    X = np.resize(X, (len(X), 3)) if X.shape[1] != 3 else X
    assert_probabilities(token_model.predict_proba(X), len(X))


def test_token_ids_that_are_all_padding_are_learned():
    model = tokens().fit(IDS * 0, NUMBERS)
    np.testing.assert_allclose(model.predict_proba(IDS * 0), 0.5)


# -- how many --------------------------------------------------------------------------


def test_number_of_rows(record_property):
    places = len(DOCUMENTS) * len(ENTRANCES)
    others = len(ARGUMENTS) + len(PREDICTED_IDS)
    bad = places + others + len(PARAMETERS)
    record_property("bad_input", bad)
    record_property("odd_documents", len(ODD))
    print(
        f"{bad} rows of bad input ({len(DOCUMENTS)} documents at {len(ENTRANCES)} places, "
        f"{others} other arguments, {len(PARAMETERS)} parameters), {len(ODD)} odd documents"
    )
    for table in (DOCUMENTS, ARGUMENTS, PREDICTED_IDS):
        assert len({row[0] for row in table}) == len(table)
    assert bad > 500
