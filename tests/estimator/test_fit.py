"""What ``fit`` and ``partial_fit`` promise: labels, weights, seeds, going on, validation."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.metrics import log_loss

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier
from fastlstm.core.errors import BackendError
from fastlstm.datasets import load_reviews
from fastlstm.kernels.contract import POOLING
from fastlstm.kernels.registry import load_backend
from fastlstm.training.optim.schedules import SCHEDULES
from tests.helpers import NETWORK_ALONE, has_bfloat16, without_bfloat16

# Streams that begin with few documents on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::fastlstm.VocabularyWarning")

REVIEWS = load_reviews("en", "train")
TEXTS, LABELS = REVIEWS.texts[:90], REVIEWS.labels[:90]
TEST = load_reviews("en", "test")
OTHERS = TEST.texts[:40]

SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 3,
    "early_stopping": False,
    "random_state": 0,
}
# With one batch and no dropout the weighted mean is all that training sees. Adam
# would make rounding errors larger.
NO_DROPOUT = {"dropout": 0.0, "embedding_dropout": 0.0}
FULL_BATCH = {
    **NO_DROPOUT,
    "batch_size": 10_000,
    "optimizer": "sgd",
    "learning_rate": 0.5,
    "weight_decay": 0.0,
    "max_epochs": 20,
}


def small(**settings):
    return LSTMSentimentClassifier(**{**NETWORK_ALONE, **SMALL, **settings})


def token_data(n=60, seed=0):
    """Rows of ids; class 1 has the id 3 somewhere."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.integers(4, 12, size=(n, 6))
    X[np.arange(n), rng.integers(0, 6, size=n)] = np.where(y == 1, 3, 4)
    return X, y


def weights(model):
    return {name: array.copy() for name, array in model.networks_[0].arrays().items()}


def assert_same_weights(model, other):
    theirs = weights(other)
    assert weights(model).keys() == theirs.keys()
    for name, array in weights(model).items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def differ(model, other):
    return any((weights(other)[name] != array).any() for name, array in weights(model).items())


# -- labels -----------------------------------------------------------------------------

LABEL_SETS = [
    ["negative", "neutral", "positive"],
    ["消极", "中性", "积极"],
    ["消极", "积极"],
    ["a", "a longer one"],
    [0, 1],
    [-1, 3, 7, 10],
    [False, True],
    [1.0, 2.0],
    [np.int8(1), np.int8(2)],
]


@pytest.mark.parametrize("as_array", [list, np.array, lambda y: np.array(y, dtype=object)])
@pytest.mark.parametrize("labels", LABEL_SETS, ids=str)
def test_labels_come_back(labels, as_array):
    words = [f"word{number}" for number in range(len(labels))]
    y = labels * 10
    model = small(max_epochs=30, learning_rate=0.05).fit(words * 10, as_array(y))
    predicted = model.predict(words)
    assert predicted.tolist() == labels
    assert model.classes_.tolist() == sorted(labels)
    assert model.score(words * 10, y) == 1.0
    probabilities = model.predict_proba(words)
    assert model.classes_[probabilities.argmax(axis=1)].tolist() == labels
    scores = model.decision_function(words)
    if len(labels) == 2:
        assert scores.shape == (2,)
        np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-scores)), rtol=1e-6)
    else:
        assert scores.shape == (len(labels), len(labels))
        np.testing.assert_array_equal(scores.argmax(axis=1), probabilities.argmax(axis=1))


# -- weights ------------------------------------------------------------------------------


def tokens(**settings):
    return LSTMClassifier(**{**SMALL, "vocabulary_size": 12, **settings})


@pytest.mark.parametrize(
    "factors", [[1, 0], [0, 1, 1], [2, 1], [3, 0, 1, 2]], ids=lambda factors: f"factors{factors}"
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_integer_weight_equals_repetition(factors, n_classes):
    """0 is a row left out; the vocabulary is that of token ids, so the same."""
    X, y = token_data()
    y = np.arange(len(y)) // 7 % n_classes
    weight = np.resize(factors, len(y))
    weighted = tokens(**FULL_BATCH).fit(X, y, sample_weight=weight)
    repeated = tokens(**FULL_BATCH).fit(X.repeat(weight, axis=0), y.repeat(weight))
    plain = tokens(**FULL_BATCH).fit(X, y)
    expected = repeated.predict_proba(X)
    np.testing.assert_allclose(weighted.predict_proba(X), expected, atol=1e-5)
    assert abs(plain.predict_proba(X) - expected).max() > 1e-3, "the weights changed nothing"
    np.testing.assert_allclose(weighted.class_prior_, repeated.class_prior_)


def test_scale_of_weights_does_not_matter():
    X, y = token_data()
    base = tokens().fit(X, y)
    scaled = tokens().fit(X, y, sample_weight=np.full(len(y), 4.0))
    assert_same_weights(base, scaled)
    one = tokens().fit(X, y, sample_weight=2)
    assert_same_weights(base, one)


def test_class_weight_is_a_sample_weight():
    X, y = token_data()
    by_class = tokens(class_weight={1: 3.0}).fit(X, y)
    by_row = tokens().fit(X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    assert_same_weights(by_class, by_row)
    assert by_class.class_prior_.tolist() == [0.5, 0.5]  # of the data, not of the loss
    assert by_row.class_prior_.tolist() == [0.25, 0.75]


def test_balanced_class_weight():
    X, y = token_data()
    y = (np.arange(len(y)) % 4 == 0).astype(int)
    balanced = tokens(class_weight="balanced").fit(X, y)
    by_hand = tokens(class_weight={0: 60 / (2 * 45), 1: 60 / (2 * 15)}).fit(X, y)
    assert_same_weights(balanced, by_hand)
    assert differ(balanced, tokens().fit(X, y))


@pytest.mark.parametrize("label", ["积极", True, 7, 1.5])
def test_class_weight_of_any_kind_of_label(label):
    other = {"积极": "消极", True: False, 7: 8, 1.5: 2.5}[label]
    if isinstance(label, float):
        label, other = 1.0, 2.0
    y = [label, other] * 20
    model = small(class_weight={label: 1000.0, other: 1e-4}).fit(["same words"] * 40, y)
    assert set(model.predict(["same words"]).tolist()) == {label}


# -- seeds, threads, neighbours -------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"num_layers": 2, "early_stopping": True}], ids=str)
def test_same_seed_same_weights_for_any_number_of_threads(settings):
    models = [small(n_jobs=n_jobs, **settings).fit(TEXTS, LABELS) for n_jobs in (1, 2, 4, None)]
    for model in models[1:]:
        assert_same_weights(models[0], model)
        assert [record["loss"] for record in model.history_] == [
            record["loss"] for record in models[0].history_
        ]
    again = small(n_jobs=1, **settings).fit(TEXTS, LABELS)
    assert_same_weights(models[0], again)
    assert differ(models[0], small(n_jobs=1, random_state=1, **settings).fit(TEXTS, LABELS))


def test_random_state_instance_is_drawn_from():
    rng = np.random.RandomState(0)
    first, second = (small(random_state=rng).fit(TEXTS, LABELS) for _ in range(2))
    assert differ(first, second)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("pooling", POOLING)
def test_documents_do_not_see_their_neighbours(pooling, n_jobs):
    texts = [*TEST.texts, "", " ".join(TEST.texts[:5]), "一个字", "?"]
    model = small(pooling=pooling, n_jobs=n_jobs).fit(TEXTS, LABELS)
    expected = model.predict_proba(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = model.predict_proba([texts[row] for row in order])
    np.testing.assert_array_equal(shuffled, expected[order])
    for row in range(0, len(texts), 5):
        np.testing.assert_array_equal(model.predict_proba([texts[row]])[0], expected[row])
    np.testing.assert_array_equal(model.predict_proba(texts[-3:]), expected[-3:])


def test_width_and_side_of_padding_do_not_matter():
    X, y = token_data(9)
    X[:, 3:] *= np.arange(9)[:, None] % 2  # some rows are shorter
    model = tokens().fit(X, y)
    moved = np.where(X[:, 5:] == 0, np.roll(X, 3, axis=1), X)
    assert (moved != X).any()
    np.testing.assert_array_equal(model.predict_proba(moved), model.predict_proba(X))


# -- going on -----------------------------------------------------------------------------


def test_fit_starts_anew():
    once = small().fit(TEXTS, LABELS)
    twice = small().fit(OTHERS, TEST.labels[:40]).fit(TEXTS, LABELS)
    assert_same_weights(once, twice)
    assert twice.vocabulary_ == once.vocabulary_
    assert len(twice.history_) == twice.n_iter_ == 3


def test_warm_start_goes_on():
    model = small(warm_start=True).fit(TEXTS, LABELS)
    before, words = weights(model), dict(model.vocabulary_)
    model.set_params(learning_rate=1e-9).fit(["novel words", "film"], ["neutral", "positive"])
    assert model.vocabulary_ == words
    assert model.classes_.tolist() == ["negative", "neutral", "positive"]
    for name, array in weights(model).items():
        np.testing.assert_allclose(array, before[name], atol=1e-6)
    cold = small(learning_rate=1e-9).fit(TEXTS, LABELS)
    assert differ(model, cold)


def test_warm_start_refuses_a_new_label():
    model = small(warm_start=True).fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="y has label 'mixed' in row 1.*negative"):
        model.fit(["film", "film"], ["neutral", "mixed"])


def test_partial_fit_needs_all_classes_at_first():
    with pytest.raises(ValueError, match="at least 2 classes"):
        small().partial_fit(TEXTS[:2], ["neutral", "neutral"])
    model = small().partial_fit(TEXTS[:1], ["neutral"], classes=["neutral", "bad", "good"])
    assert model.classes_.tolist() == ["bad", "good", "neutral"]
    assert model.predict_proba(OTHERS).shape == (40, 3)
    model.partial_fit(TEXTS[:2], ["bad", "good"])
    model.partial_fit(TEXTS[:1], ["bad"], classes=np.array(["good", "neutral", "bad"]))
    with pytest.raises(ValueError, match="y has label 'awful' in row 0.*'bad', 'good'"):
        model.partial_fit(TEXTS[:1], ["awful"])
    with pytest.raises(ValueError, match="classes=.*'fair'.* differ from those of the first"):
        model.partial_fit(TEXTS[:1], ["bad"], classes=["bad", "good", "fair"])
    assert model.n_iter_ == len(model.history_) == 3


def test_partial_fit_of_many_classes_does_not_warn():
    model = tokens().partial_fit(*token_data(), classes=range(50))
    assert model.predict_proba(token_data()[0]).shape == (60, 50)


def test_partial_fit_learns():
    model = small(learning_rate=0.02)
    for _ in range(10):
        model.partial_fit(TEXTS, LABELS)
    assert [record["epoch"] for record in model.history_] == list(range(1, 11))
    assert model.history_[-1]["loss"] < 0.8 * model.history_[0]["loss"]
    assert {record["learning_rate"] for record in model.history_} == {0.02}


def test_vocabulary_is_that_of_the_first_partial_fit():
    model = small().partial_fit(TEXTS, LABELS)
    words = dict(model.vocabulary_)
    model.partial_fit(["novel words only"], ["neutral"])
    assert model.vocabulary_ == words
    ids = tokens(vocabulary_size=None).partial_fit(*token_data())
    with pytest.raises(ValueError, match="X has 40 in row 1, column 2: the vocabulary has 12"):
        ids.partial_fit([[3, 4, 5, 0, 0, 0], [3, 4, 40, 0, 0, 0]], [0, 1])


def test_fit_after_partial_fit_starts_anew():
    model = small().partial_fit(OTHERS, TEST.labels[:40]).fit(TEXTS, LABELS)
    assert_same_weights(model, small().fit(TEXTS, LABELS))
    assert model.n_iter_ == 3


def test_partial_fit_goes_on_from_the_last_fit():
    """Not from an earlier partial_fit, whose vocabulary was another."""
    model = small().partial_fit(
        OTHERS[:5], ["neutral", "negative", "positive"] * 1 + ["neutral"] * 2
    )
    model.fit(TEXTS, LABELS)
    expected = copy.deepcopy(small().fit(TEXTS, LABELS)).partial_fit(TEXTS, LABELS)
    model.partial_fit(TEXTS, LABELS)
    assert_same_weights(model, expected)
    assert len(model.networks_[0].embedding) == len(model.vocabulary_) + 2
    assert model.n_iter_ == 4


def test_partial_fit_after_load_equals_partial_fit_after_fit(tmp_path):
    model = small().fit(TEXTS, LABELS)
    model.save(tmp_path / "model")
    loaded = fastlstm.load(tmp_path / "model")
    for one in (model, loaded):
        one.partial_fit(TEXTS, LABELS).partial_fit(OTHERS, TEST.labels[:40])
    assert_same_weights(model, loaded)
    assert loaded.n_iter_ == 5


@pytest.mark.parametrize("first", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("second", ["adam", "adamw", "sgd"])
def test_partial_fit_with_another_optimizer(first, second):
    model = small(optimizer=first).partial_fit(TEXTS, LABELS)
    model.set_params(optimizer=second).partial_fit(TEXTS, LABELS)
    assert model.n_iter_ == 2
    assert np.isfinite(model.predict_proba(OTHERS)).all()


FAILURES = {
    "one_class": ((TEXTS, ["a"] * 90), {}),
    "bad_weight": ((TEXTS, LABELS, [-1.0] * 90), {}),
    "class_weight": ((TEXTS, LABELS), {"class_weight": {"mixed": 2.0}}),
    "no_validation_labels": ((TEXTS, LABELS), {"X_val": OTHERS}),
    "validation_label": ((TEXTS, LABELS), {"X_val": ["film"], "y_val": ["mixed"]}),
    "precision": ((TEXTS, LABELS), {"precision": "bfloat16"}),
    "memory": ((TEXTS, LABELS), {"embedding_dim": 10**12}),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_fit_that_fails_changes_nothing(name, monkeypatch):
    """A vocabulary larger than the embedding would be read beyond its end."""
    model = small().fit(["good film", "bad film"], ["good", "bad"])
    words, expected = dict(model.vocabulary_), model.predict_proba(OTHERS)
    arguments, settings = FAILURES[name]
    given = {key: settings[key] for key in settings if key in ("X_val", "y_val")}
    model.set_params(**{key: settings[key] for key in settings if key not in given})
    if name == "precision":
        without_bfloat16(monkeypatch)
    with pytest.raises((ValueError, RuntimeError, MemoryError)):
        model.fit(*arguments, **given)
    assert model.vocabulary_ == words
    assert model.classes_.tolist() == ["bad", "good"]
    np.testing.assert_array_equal(model.predict_proba(OTHERS), expected)


# -- validation and early stopping ------------------------------------------------------------

EPOCH = {"epoch", "network", "loss", "accuracy", "learning_rate", "seconds", "tokens_per_second"}


def test_history():
    model = small().fit(TEXTS, LABELS)
    assert [record.keys() for record in model.history_] == [EPOCH] * 3
    assert [record["epoch"] for record in model.history_] == [1, 2, 3]
    assert model.n_iter_ == 3 and model.stopped_by_ == "max_epochs"
    for record in model.history_:
        assert record["loss"] > 0 and 0 <= record["accuracy"] <= 1
        assert record["seconds"] > 0 and record["tokens_per_second"] > 0
    model = small(early_stopping=True, validation_fraction=0.4).fit(TEXTS, LABELS)
    assert all(record.keys() == EPOCH | {"val_loss", "val_accuracy"} for record in model.history_)


def best_epoch(history):
    return max(history, key=lambda record: (record["val_accuracy"], -record["val_loss"]))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_early_stopping_keeps_the_best_epoch(n_classes):
    """On labels drawn at random, where later epochs are worse."""
    rng = np.random.default_rng(n_classes)
    y, y_val = rng.integers(n_classes, size=90), rng.integers(n_classes, size=40)
    model = small(early_stopping=True, learning_rate=0.02, max_epochs=40, n_iter_no_change=4).fit(
        TEXTS, y, X_val=OTHERS, y_val=y_val
    )
    best = best_epoch(model.history_)
    assert model.stopped_by_ == "early_stopping"
    assert best["epoch"] == len(model.history_) - 4
    assert model.score(OTHERS, y_val) == pytest.approx(best["val_accuracy"])
    loss = log_loss(y_val, model.predict_proba(OTHERS), labels=model.classes_)
    assert loss == pytest.approx(best["val_loss"], rel=1e-5)
    assert abs(loss - model.history_[-1]["val_loss"]) > 1e-3
    calibrated = model.set_params(calibrate=True).fit(TEXTS, y, X_val=OTHERS, y_val=y_val)
    assert log_loss(y_val, calibrated.predict_proba(OTHERS), labels=model.classes_) < loss


def test_validation_data_of_token_ids():
    X, y = token_data()
    X_val, y_val = token_data(20, seed=1)
    model = tokens(vocabulary_size=None).fit(X, y, X_val=X_val, y_val=y_val)
    assert model.score(X_val, y_val) == best_epoch(model.history_)["val_accuracy"]
    with pytest.raises(ValueError, match="X_val has 40 in row 0, column 0: the vocabulary has 12"):
        tokens(vocabulary_size=None).fit(X, y, X_val=X_val + 40 - X_val[0, 0], y_val=y_val)


def test_nothing_is_held_out_of_too_little():
    """With a class of one document there is no stratified share of it."""
    model = small(early_stopping=True).fit(TEXTS[:4], ["a", "a", "a", "b"])
    assert "val_loss" not in model.history_[0]
    assert model.n_iter_ == 3


# -- empty documents -------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"]], ids=len)
def test_empty_documents_get_the_prior(labels):
    y = np.resize([*labels, "a"], 90)
    weight = np.where(y == "a", 2.0, 1.0)
    model = small().fit(TEXTS, y, sample_weight=weight)
    share = np.array([weight[y == label].sum() for label in labels]) / weight.sum()
    np.testing.assert_allclose(model.class_prior_, share)
    empty = model.predict_proba(["", "  \n", "\u200b", "a film"])
    np.testing.assert_allclose(empty[:3], np.tile(share, (3, 1)), rtol=1e-6)
    assert model.predict([""]) == ["a"]
    assert abs(empty[3] - share).max() > 1e-6


def test_empty_documents_teach_nothing():
    X, y = token_data()
    blank = np.vstack([np.zeros_like(X[:7]), X])
    more = tokens(**FULL_BATCH).fit(blank, np.concatenate([np.ones(7, dtype=int), y]))
    np.testing.assert_allclose(
        more.predict_proba(X), tokens(**FULL_BATCH).fit(X, y).predict_proba(X), atol=1e-6
    )
    assert more.class_prior_[1] == pytest.approx(37 / 67)


def test_missing_documents_may_be_empty():
    texts = [*TEXTS, None, float("nan")]
    model = small(missing="empty").fit(texts, [*LABELS, "neutral", "neutral"])
    np.testing.assert_array_equal(*model.predict_proba([None, ""]))
    with pytest.raises(ValueError, match="first in row 90"):
        small().fit(texts, [*LABELS, "neutral", "neutral"])


# -- settings -----------------------------------------------------------------------------------


def falls(model):
    losses = [record["loss"] for record in model.history_]
    return np.isfinite(losses).all() and losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLING)
def test_every_shape_learns(pooling, bidirectional, num_layers):
    X, y = token_data()
    shape = {"pooling": pooling, "bidirectional": bidirectional, "num_layers": num_layers}
    model = tokens(**shape, **NO_DROPOUT, max_epochs=40, learning_rate=0.03).fit(X, y)
    assert falls(model)
    assert model.score(X, y) > 0.9


# The reference rounds to bfloat16 on every CPU.
BFLOAT16 = [
    pytest.param(
        backend,
        marks=pytest.mark.skipif(
            not has_bfloat16(load_backend(backend)), reason="no bfloat16 products on this CPU"
        ),
    )
    for backend in ("auto", "reference")
]


@pytest.mark.parametrize("backend", BFLOAT16)
def test_bfloat16_learns_and_is_saved(backend, tmp_path):
    X, y = token_data()
    settings = {"backend": backend, "max_epochs": 25, "learning_rate": 0.03}
    model = tokens(**settings, precision="bfloat16").fit(X, y)
    assert falls(model)
    assert model.score(X, y) > 0.9
    assert differ(model, tokens(**settings).fit(X, y)), "the precision changed nothing"
    assert_same_weights(model, tokens(**settings, precision="bfloat16").fit(X, y))
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
    model.save(tmp_path / "model")
    loaded = fastlstm.load(tmp_path / "model")
    assert loaded.precision == "bfloat16"
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    # Weights are float32: they go on from where they were.
    model.partial_fit(X, y)
    assert_same_weights(loaded.partial_fit(X, y), model)
    assert model.networks_[0].flat.dtype == np.float32


@pytest.mark.parametrize("backend", BFLOAT16[:1])
def test_bfloat16_model_predicts_on_a_cpu_without_it(backend, tmp_path, monkeypatch):
    """With float32 products, so nearly the same; but it is not trained there."""
    X, y = token_data()
    model = tokens(backend=backend, precision="bfloat16", max_epochs=25).fit(X, y)
    model.save(tmp_path / "model")
    without_bfloat16(monkeypatch)
    for other in (fastlstm.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        probabilities = other.predict_proba(X)
        assert abs(probabilities - model.predict_proba(X)).max() < 0.05
        with pytest.raises(BackendError, match="precision='bfloat16' needs a CPU"):
            other.fit(X, y)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.03), ("adamw", 0.03), ("sgd", 0.5)])
def test_every_optimizer_and_schedule_learns(optimizer, rate, schedule):
    X, y = token_data()
    model = tokens(
        optimizer=optimizer, learning_rate=rate, learning_rate_schedule=schedule, max_epochs=25
    ).fit(X, y)
    assert falls(model)
    rates = [record["learning_rate"] for record in model.history_]
    assert max(rates) <= rate
    assert rates[-1] == rate if schedule == "constant" else rates[-1] < 0.05 * rate


@pytest.mark.parametrize(
    "settings",
    [
        {"max_grad_norm": None},
        {"warmup_fraction": 0.0},
        {"batch_size": 1},
        {"batch_size": 1000},
        NO_DROPOUT,
        {"embedding_dim": 1, "hidden_size": 1},
        {"embedding_dim": 5, "hidden_size": 13, "pooling": "mean_max"},
        {"backend": "reference"},
        {"max_epochs": "auto"},
    ],
    ids=str,
)
def test_other_settings_learn(settings):
    X, y = token_data()
    model = tokens(**{"max_epochs": 25, "learning_rate": 0.03, **settings}).fit(X, y)
    losses = [record["loss"] for record in model.history_]
    assert losses[-1] < losses[0]


def test_verbose_writes_a_line_for_each_epoch(capsys):
    small(verbose=1).fit(TEXTS, LABELS)
    written = capsys.readouterr()
    assert written.out == ""
    assert [f"epoch {number}: loss" in written.err for number in (1, 2, 3, 4)] == [True] * 3 + [
        False
    ]
    small().fit(TEXTS, LABELS)
    assert capsys.readouterr() == ("", "")


def test_fitted_model_is_not_changed_by_predicting():
    model = small().fit(TEXTS, LABELS)
    before = pickle.dumps(model)
    model.predict(OTHERS)
    model.decision_function(OTHERS)
    assert pickle.loads(before).get_params() == model.get_params()
    assert_same_weights(pickle.loads(before), model)
