"""A classifier survives its file, and an inconsistent description is refused."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier
from fastlstm.core.errors import ModelFormatError
from fastlstm.persist.container import read_container, write_container
from fastlstm.persist.model_file import read_model, write_model
from tests.helpers import NETWORK_ALONE

TEXTS = ["a good film", "a bad film", "fine 好看", "dull 难看", "so so"] * 4
LABELS = ["good", "bad", "good", "bad", "neutral"] * 4
OTHERS = ["a fine film", "novel words", "", "good", "bad dull 难看 !"]
IDS = np.array([[2, 3, 0], [4, 3, 0], [5, 0, 0], [6, 5, 2], [0, 0, 0]] * 4)

SMALL = {
    "embedding_dim": 3,
    "hidden_size": 4,
    "max_epochs": 2,
    "early_stopping": False,
    "random_state": 0,
    "n_jobs": 1,
}


def small(**changes):
    return LSTMSentimentClassifier(**{**NETWORK_ALONE, **SMALL, **changes})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.fastlstm"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Arrays and metadata of the file of a text classifier with three classes."""
    path = tmp_path_factory.mktemp("model") / "model"
    small(class_weight={"good": 2.0}).fit(TEXTS, LABELS).save(path)
    return read_container(path)


# -- round trip -------------------------------------------------------------------------


def assert_same(loaded, model, X):
    assert type(loaded) is type(model)
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.decision_function(X), model.decision_function(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(loaded.classes_, model.classes_)
    np.testing.assert_array_equal(loaded.class_prior_, model.class_prior_)
    for name in ("history_", "n_iter_", "stopped_by_", "config_", "backend_"):
        assert getattr(loaded, name) == getattr(model, name), name


CHANGES = [
    {},
    {"tokenizer": "char", "lowercase": False, "missing": "empty"},
    {"normalize": ["fold", "html"]},
    {"normalize": None},
    {"tokenizer": "jieba", "max_features": 3, "min_df": 2},
    {"min_df": 0.1, "max_length": None, "truncation": "tail"},
    {"num_layers": 2, "bidirectional": False, "pooling": "last"},
    {"pooling": "mean_max", "dropout": 0.1, "embedding_dropout": 0.0},
    {"optimizer": "sgd", "momentum": 0.5, "learning_rate": 0.1, "weight_decay": 0.0},
    {"optimizer": "adamw", "learning_rate_schedule": "cosine", "warmup_fraction": 0.5},
    {"max_grad_norm": None, "batch_size": 7, "n_jobs": None, "n_iter_no_change": 1},
    {"early_stopping": True, "validation_fraction": 0.4, "max_epochs": 5},
    {"class_weight": "balanced", "random_state": None, "warm_start": True},
    {"class_weight": {"good": 2, "neutral": np.float32(0.5)}, "backend": "reference"},
    {"learning_rate": np.float32(0.01), "hidden_size": np.int64(5), "verbose": np.bool_(False)},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_text_classifier(path, changes):
    model = small(**changes).fit(TEXTS, LABELS)
    model.save(path)
    loaded = fastlstm.load(path)
    assert_same(loaded, model, OTHERS)
    assert loaded.vocabulary_ == model.vocabulary_
    assert loaded.truncated_share_ == model.truncated_share_
    again = path.with_name("again")
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "changes", [{}, {"vocabulary_size": 50}, {"class_weight": {"bad": 3.0}}], ids=str
)
def test_token_classifier(path, changes):
    model = LSTMClassifier(**SMALL, **changes).fit(IDS, LABELS)
    model.save(str(path))
    loaded = fastlstm.load(str(path))
    assert_same(loaded, model, IDS)
    assert loaded.n_features_in_ == 3
    with pytest.raises(ValueError, match=r"X has 50 in row 0.*vocabulary has (7|50) ids"):
        loaded.predict([[50, 0, 0]])
    with pytest.raises(ValueError, match="X has 2 features"):
        loaded.predict([[2, 0]])


def test_column_names_survive(path):
    frame = pd.DataFrame(IDS, columns=["first", "second", "third"])
    model = LSTMClassifier(**SMALL).fit(frame, LABELS)
    model.save(path)
    loaded = fastlstm.load(path)
    assert_same(loaded, model, frame)
    assert loaded.feature_names_in_.tolist() == ["first", "second", "third"]
    assert loaded.feature_names_in_.dtype == model.feature_names_in_.dtype == object


LABEL_ARRAYS = [
    np.array(["b", "a"]),
    np.array(["a", "b"], dtype="U30"),
    np.array(["a", "b"], dtype=">U3"),
    np.array(["积极", "中性", "消极"], dtype=object),
    np.array(["", "\ud800", "a" * 300, "😀"], dtype=object),
    np.array([0, 1]),
    np.array([-5, 2**62], dtype=np.int64),
    np.array([1, 2, 3], dtype=np.int8),
    np.array([1, 2, 3], dtype=">i4"),
    np.array([0, 2**64 - 1], dtype=np.uint64),
    np.array([False, True]),
    np.array([1.0, 2.0]),
    np.array([-3.0, 4.0], dtype=np.float16),
]


@pytest.mark.parametrize("labels", LABEL_ARRAYS, ids=lambda labels: f"{labels.dtype}_{len(labels)}")
def test_labels_of_every_type(path, labels):
    y = np.resize(labels, 20)
    model = small().fit(TEXTS, y)
    model.save(path)
    loaded = fastlstm.load(path)
    np.testing.assert_array_equal(loaded.classes_, model.classes_)
    assert loaded.classes_.dtype == model.classes_.dtype.newbyteorder("=")
    assert loaded.predict(OTHERS).tolist() == model.predict(OTHERS).tolist()
    assert [type(label) for label in loaded.classes_.tolist()] == [
        type(label) for label in model.classes_.tolist()
    ]


@pytest.mark.parametrize("labels", [[0, 1], [False, True], [1.0, 2.0], ["消极", "积极"]], ids=str)
def test_keys_of_class_weight_keep_their_type(path, labels):
    weights = {labels[0]: 2, labels[1]: 0.5}
    small(class_weight=weights).fit(TEXTS, labels * 10).save(path)
    loaded = fastlstm.load(path)
    assert loaded.class_weight == weights
    assert [type(key) for key in loaded.class_weight] == [type(key) for key in weights]
    loaded.fit(TEXTS, labels * 10)


@pytest.mark.parametrize(
    ("seed", "expected"),
    [(7, 7), (np.int32(7), 7), (None, None), (np.random.RandomState(0), None)],
    ids=["int", "numpy", "none", "generator"],
)
def test_random_state_comes_back_if_it_was_an_int(path, seed, expected):
    small(random_state=seed).fit(TEXTS, LABELS).save(path)
    assert fastlstm.load(path).random_state == expected


# -- what cannot be saved -------------------------------------------------------------------


def test_labels_that_no_file_holds_are_refused(path):
    model = small().fit(TEXTS, np.array([0, 1] * 10, dtype=np.longdouble))
    if model.classes_.dtype == np.float64:
        pytest.skip("long doubles are doubles here")
    with pytest.raises(ValueError, match="labels of type float.* cannot be stored.*fit with str"):
        model.save(path)
    assert not path.exists()


def test_labels_that_take_too_much_are_refused(path):
    small().fit(TEXTS, LABELS).save(path)
    saved = read_model(path)
    path.unlink()
    wide = saved.model.classes.astype("U10000000")
    with pytest.raises(ValueError, match="the labels take 120000000 bytes.*fit with shorter ones"):
        write_model(saved._replace(model=replace(saved.model, classes=wide)), path)
    assert not path.exists()


def test_not_fitted(path):
    with pytest.raises(ValueError, match="not fitted"):
        small().save(path)


def test_weights_that_are_not_finite_are_refused(path):
    model = small().fit(TEXTS, LABELS)
    model.networks_[0].embedding[2, 0] = np.nan
    with pytest.raises(ValueError, match="'network.0.embedding' holds NaN.*lower learning_rate"):
        model.save(path)


# -- inconsistent descriptions ----------------------------------------------------------------


def rewrite(path, content, edit):
    """Write the content after ``edit(arrays, metadata)``, with a right checksum."""
    arrays, metadata = copy.deepcopy(content)
    edit(arrays, metadata)
    write_container(path, arrays, metadata)


def put(*keys_and_value):
    *keys, last, value = keys_and_value

    def edit(arrays, metadata):
        for key in keys:
            metadata = metadata[key]
        metadata[last] = value

    return edit


def put_array(name, make):
    def edit(arrays, metadata):
        arrays[name] = make(arrays[name])

    return edit


def drop(key):
    return lambda arrays, metadata: metadata.pop(key)


def no_layers(arrays, metadata):
    metadata["config"]["num_layers"] = 0
    for name in [name for name in arrays if ".lstm." in name]:
        del arrays[name]


def no_tokens(arrays, metadata):
    metadata["config"]["vocabulary_size"] = 0
    metadata["encoder"] = None
    arrays["network.0.embedding"] = arrays["network.0.embedding"][:0]


def no_width(arrays, metadata):
    metadata["config"]["embedding_dim"] = 0
    for name in [name for name in arrays if name.endswith((".embedding", ".w_x"))]:
        axis = 1 if name.endswith("embedding") else 0
        arrays[name] = np.take(arrays[name], [], axis=axis)


CONFIG = "configuration"
TABLE, HEAD, BIAS = (f"network.0.{name}" for name in ("embedding", "dense.w", "dense.b"))
INCONSISTENT = {
    # weights
    "no_weights": (lambda arrays, _: arrays.clear(), "there are 0 weights|unexpected weights"),
    "no_embedding": (lambda arrays, _: arrays.pop(TABLE), "unexpected weights.*embedding"),
    "no_bias": (lambda arrays, _: arrays.pop(BIAS), r"unexpected weights \['dense.b'\]"),
    "other_weights": (lambda arrays, _: arrays.update(x=np.ones(2)), r"unexpected weights \['x'\]"),
    "cut": (put_array(TABLE, lambda a: a[:-1]), "weights 'embedding' are float32"),
    "transposed": (put_array(HEAD, lambda a: a.T.copy()), "weights 'dense.w' are float32"),
    "flat": (put_array(HEAD, np.ravel), "weights 'dense.w' are"),
    "float64": (put_array(BIAS, lambda a: a.astype(float)), "weights 'dense.b' are float64"),
    "int_weights": (put_array(BIAS, lambda a: a.astype(int)), "weights 'dense.b' are int64"),
    "other_size": (put("config", "hidden_size", 5), "weights 'lstm.0.forward.w_x' are"),
    "more_layers": (put("config", "num_layers", 2), "unexpected weights.*lstm.1"),
    "one_way": (put("config", "bidirectional", False), "unexpected weights.*reverse"),
    "no_ngrams": (lambda arrays, _: arrays.pop("ngrams"), r"unexpected weights \['ngrams'\]"),
    "some_ngrams": (
        put_array("ngrams", lambda a: np.array([[2, 3]], np.int32)), r"n-grams are int32 \(1, 2\)",
    ),
    "float_ngrams": (put_array("ngrams", lambda a: a.astype(np.float32)), "n-grams are float32"),
    "ngrams_out_of_order": (
        lambda arrays, metadata: (
            metadata["config"].update(n_ngrams=1),
            arrays.update(ngrams=np.array([[0, 3]], np.int32)),
        ),
        "n-grams from number 0",
    ),
    # configuration
    "no_config": (drop("config"), "inconsistent: 'config'"),
    "config_none": (put("config", None), "inconsistent"),
    "config_list": (put("config", ["hidden_size"]), "unexpected configuration"),
    "config_extra": (put("config", "colour", "red"), r"unexpected configuration \['colour'\]"),
    "size_text": (put("config", "hidden_size", "4"), f"{CONFIG} hidden_size='4' is not of type"),
    "size_float": (put("config", "hidden_size", 4.0), f"{CONFIG} hidden_size=4.0 is not of"),
    "size_bool": (put("config", "num_layers", True), f"{CONFIG} num_layers=True is not of type"),
    "size_none": (put("config", "n_outputs", None), f"{CONFIG} n_outputs=None is not of type"),
    "size_negative": (put("config", "hidden_size", -4), f"{CONFIG} hidden_size=-4 is below 1"),
    "size_zero": (put("config", "n_outputs", 0), f"{CONFIG} n_outputs=0 is below 1"),
    "size_huge": (put("config", "hidden_size", 10**30), "weights 'lstm.0.forward.w_x' are"),
    "layers_huge": (put("config", "num_layers", 10**12), "weights for 1000000000000 layers"),
    "no_layers": (no_layers, f"{CONFIG} num_layers=0 is below 1"),
    "no_tokens": (no_tokens, f"{CONFIG} vocabulary_size=0 is below 1"),
    "no_width": (no_width, f"{CONFIG} embedding_dim=0 is below 1"),
    "flag_number": (put("config", "bidirectional", 1), f"{CONFIG} bidirectional=1 is not of"),
    "pooling": (put("config", "pooling", "sum"), f"{CONFIG} pooling='sum' is not known"),
    "pooling_type": (put("config", "pooling", ["max"]), f"{CONFIG} pooling=.* is not of type"),
    "dropout": (put("config", "dropout", 1.0), rf"{CONFIG} dropout=1.0 is not in \[0, 1\)"),
    "dropout_text": (put("config", "dropout", "0"), f"{CONFIG} dropout='0' is not of type"),
    # labels
    "no_classes": (drop("classes"), "inconsistent: 'classes'"),
    "label_void": (put("classes_dtype", "|V8"), "labels of type '|V8' are not known"),
    "label_date": (put("classes_dtype", "<M8[ns]"), "labels of type .* are not known"),
    "label_record": (put("classes_dtype", "i4,f8"), "labels of type .* are not known"),
    "label_bytes": (put("classes_dtype", "|S4"), "labels of type .* are not known"),
    "label_type": (put("classes_dtype", 5), "inconsistent"),
    "label_code": (put("classes_dtype", "<i4\n"), "labels of type .* are not known"),
    "label_bomb": (put("classes_dtype", "<U100000000"), "labels take more than"),
    "label_cut": (put("classes_dtype", "<U3"), "do not fit the type <U3"),
    "label_int": (put("classes_dtype", "<i8"), "not a list of type int64"),
    "classes_text": (put("classes", "bgn"), "labels are not a list"),
    "classes_dict": (put("classes", {"bad": 0}), "labels are not a list"),
    "classes_mixed": (put("classes", ["bad", "good", 3]), "labels are not a list"),
    "classes_nested": (put("classes", [["bad"], ["good"], ["x"]]), "labels are not a list"),
    "classes_order": (put("classes", ["good", "bad", "neutral"]), "labels are not sorted"),
    "classes_twice": (put("classes", ["bad", "bad", "good"]), "labels are not sorted"),
    "one_more": (put("classes", ["bad", "good", "n", "x"]), "inconsistent number of classes"),
    "one_less": (put("classes", ["bad", "good"]), "inconsistent number of classes, class prior"),
    "one_class": (put("classes", ["bad"]), "inconsistent number of classes"),
    "none": (put("classes", []), "inconsistent number of classes"),
    # the rest
    "prior_short": (put("class_prior", [0.5, 0.5]), "inconsistent class prior"),
    "prior_nested": (put("class_prior", [[0.5, 0.25, 0.25]]), "inconsistent class prior"),
    "prior_text": (put("class_prior", ["a", "b", "c"]), "inconsistent"),
    "prior_negative": (put("class_prior", [1.5, -0.5, 0.0]), "inconsistent class prior"),
    "prior_nan": (put("class_prior", ["nan", 1, 0]), "inconsistent class prior"),
    "prior_none": (put("class_prior", None), "inconsistent class prior"),
    "missing": (put("missing", "drop"), "inconsistent missing"),
    "missing_list": (put("missing", ["error"]), "inconsistent missing"),
    "no_settings": (drop("settings"), "inconsistent: 'settings'"),
    "settings_text": (put("settings", "abc"), "inconsistent"),
    "fitted_number": (put("fitted", 5), "inconsistent"),
    "encoder_text": (put("encoder", "auto"), "inconsistent: the encoder's state"),
    "encoder_empty": (put("encoder", {}), "missing or unknown keys"),
    "encoder_extra": (put("encoder", "colour", 1), "missing or unknown keys: colour"),
    "tokenizer": (put("encoder", "tokenizer", "os.system"), "tokenizer must be one of"),
    "tokenizer_type": (put("encoder", "tokenizer", 5), "must name its tokenizer"),
    "truncation": (put("encoder", "truncation", "both"), "truncation must be one of"),
    "max_length": (put("encoder", "max_length", -1), "max_length must be at least 1"),
    "min_df": (put("encoder", "min_df", "1"), "min_df must be an int or a float"),
    "tokens_text": (put("encoder", "tokens", "abc"), "list its tokens"),
    "tokens_number": (put("encoder", "tokens", ["<pad>", "<unk>", 3]), "token 2 is int"),
    "tokens_short": (put("encoder", "tokens", ["<pad>", "<unk>", "a"]), "is no number of tokens"),
    "tokens_special": (put("encoder", "tokens", ["a", "b"]), "the first two tokens"),
    "tokens_twice": (put("encoder", "tokens", ["<pad>", "<unk>", "a", "a"]), "occurs twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", INCONSISTENT)
def test_inconsistent_description_is_refused(path, content, name):
    edit, message = INCONSISTENT[name]
    rewrite(path, content, edit)
    for read in (read_model, fastlstm.load, fastlstm.Predictor):
        with pytest.raises(ModelFormatError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)


# These matter to the estimator alone, not to the predictor.
ESTIMATOR_ONLY = {
    "unknown": (put("settings", "colour", "red"), "colour"),
    "value": (put("settings", "hidden_size", -1), "'hidden_size' parameter .* must be"),
    "type": (put("settings", "lowercase", "no"), "'lowercase' parameter .* must be"),
    "class_weight_flat": (put("settings", "class_weight", [1, 2]), "parameters of the estimator"),
    "class_weight_list": (put("settings", "class_weight", [[[], 1]]), "parameters of the estim"),
    "history": (put("fitted", "history_", 5), "history_ is int"),
    "class counts": (put("fitted", "class_count_", [1.0] * 7), "inconsistent class_count_"),
    "class count text": (put("fitted", "class_count_", ["a", "b"]), "class_count_: "),
    "n_iter": (put("fitted", "n_iter_", "many"), "n_iter_ is str"),
    "columns": (put("fitted", "n_features_in_", []), "n_features_in_ is list"),
}


@pytest.mark.parametrize("name", ESTIMATOR_ONLY)
def test_nonsense_for_the_estimator_is_refused(path, content, name):
    edit, message = ESTIMATOR_ONLY[name]
    rewrite(path, content, edit)
    with pytest.raises(ModelFormatError, match=message) as caught:
        fastlstm.load(path)
    assert str(path) in str(caught.value)


def test_number_of_inconsistent_descriptions(record_property):
    count = len(INCONSISTENT) + len(ESTIMATOR_ONLY)
    record_property("inconsistent_descriptions", count)
    print(f"{count} inconsistent descriptions")
    assert count >= 75


def test_unknown_fitted_attributes_are_left_alone(path, content):
    rewrite(path, content, put("fitted", "predict", "overwritten"))
    assert callable(fastlstm.load(path).predict)


# -- fuzzing ------------------------------------------------------------------------------------

TELLING = st.sampled_from(
    [
        "", "|V8", "<U0", "<U99999999", "<f2", "|O", "|b1", "max", "mean_max", "jieba", "char",
        "empty", "balanced", "reference", "auto", "<pad>", True, 0, 1, 2, -1, 2**31, 2**63, 10**40,
        0.0, 0.5, 1.0, -0.5, 1e308, 5e-324, [], {}, [[]], [["good", 1]], ["bad", "good"],
        [0, 1, 2], [False, True, True], [0.5, 0.25, 0.25],
    ]
)  # fmt: skip
VALUES = TELLING | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner,
                                                               max_size=3),
    max_leaves=6,
)  # fmt: skip


def _places(value, above=()):
    """Key paths of everything in nested dicts and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*above, key)
        if isinstance(inner, (dict, list)):
            yield from _places(inner, (*above, key))


@st.composite
def edits(draw, metadata):
    """Metadata with one to three values replaced or taken away."""
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(sorted(_places(metadata), key=repr)))
        place = metadata
        for key in above:
            place = place[key]
        if draw(st.integers(0, 9)) == 0:
            del place[last]
        else:
            place[last] = copy.deepcopy(draw(VALUES))
        if not metadata:
            break
    return metadata


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_description_loads_or_is_refused(path, content, data):
    """And what loads predicts probabilities."""
    arrays, metadata = content
    edited = data.draw(edits(json.loads(json.dumps(metadata))))
    write_container(path, arrays, edited)
    for read in (fastlstm.Predictor, fastlstm.load):
        try:
            model = read(path)
        except ModelFormatError:
            continue
        except ValueError as error:  # an encoder of null describes a model of token ids
            assert read is fastlstm.Predictor
            assert edited["encoder"] is None
            assert "holds an LSTMClassifier, which takes token ids" in str(error)
            continue
        if read is fastlstm.load and model.n_jobs == 0:  # a parameter like another until it is used
            with pytest.raises(ValueError, match="n_jobs=0 has no meaning"):
                model.predict_proba(OTHERS)
            continue
        probabilities = model.predict_proba(OTHERS)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


# -- SavedModel itself ----------------------------------------------------------------------------


def test_saved_model_is_plain_data(path):
    small().fit(TEXTS, LABELS).save(path)
    saved = read_model(path)
    assert saved.settings["hidden_size"] == 4
    assert saved.columns == {}
    assert saved.model.record.stopped_by == "max_epochs"
    assert saved.model.record.class_count.sum() == len(TEXTS)
    write_model(saved, path.with_name("again"))
    assert path.with_name("again").read_bytes() == path.read_bytes()
    write_model(saved._replace(settings={}), path)
    model = fastlstm.load(path)  # parameters that a file does not name take their defaults
    assert model.get_params() == LSTMSentimentClassifier().get_params()
    assert model.predict(OTHERS).shape == (5,)
