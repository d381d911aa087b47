"""scikit-learn's own checks of estimators, and how many of them there are.

They are written for numeric features. ``LSTMClassifier`` announces whole numbers from
0 by its tags, which most checks honour. Those that do not are listed below with the
reason; each of them runs all the same, on a subclass that makes token ids of any numbers.
"""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import sklearn
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, SequenceVectorizer

# One check asks for 83 % on its training data: hence the learning rate.
SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 15,
    "learning_rate": 0.02,
    "random_state": 0,
}
FULL_BATCH = {
    **SMALL,
    "max_epochs": 40,
    "learning_rate": 0.05,
    "batch_size": 1024,
    "early_stopping": False,
    "dropout": 0.0,
    "embedding_dropout": 0.0,
}

_FRACTIONS = (
    "The check passes fractional numbers whatever the tags say, and token ids that are not "
    "whole are refused: they are most often TF-IDF values, handed in by mistake."
)
FRACTIONS = {
    name: _FRACTIONS
    for name in (
        "check_sample_weight_equivalence_on_dense_data",
        "check_classifiers_one_label_sample_weights",
        "check_class_weight_classifiers",
        "check_decision_proba_consistency",
    )
}
ROUNDING = {
    "check_sample_weight_equivalence_on_dense_data": (
        "The check compares float32 results with a tolerance of 1e-7, and minibatches of repeated "
        "rows are others than those of weighted rows, as in scikit-learn's own MLPClassifier."
    )
}
OLD = {}
if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 7):
    OLD["check_positive_only_tag_during_fit"] = (
        "In scikit-learn 1.6 this check takes a mean off integers in place, which NumPy refuses, "
        "before it comes to the estimator."
    )
EXEMPT = {**FRACTIONS, **OLD}
# The least that one of the supported scikit-learn versions has is 63.
FEWEST_CHECKS = 60


def each_check(estimators, expected_failures):
    """``parametrize_with_checks``, which before 1.9 hands pytest a generator.

    From pytest 9 on that is deprecated.
    """
    mark = parametrize_with_checks(estimators, expected_failed_checks=expected_failures)
    names, cases = mark.args
    return pytest.mark.parametrize(names, list(cases), ids=mark.kwargs["ids"])


@each_check(
    [LSTMClassifier(**SMALL), LSTMClassifier(**FULL_BATCH, bidirectional=False, pooling="last")],
    lambda estimator: EXEMPT,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


def _checks(estimator):
    return [check for _, check in estimator_checks_generator(estimator)]


def _name(check):
    while hasattr(check, "func"):
        check = check.func
    return check.__name__


def test_number_of_checks(record_property):
    names = [_name(check) for check in _checks(LSTMClassifier())]
    exempt = [name for name in names if name in EXEMPT]
    record_property("scikit_learn_checks", len(names))
    print(f"{len(names)} checks by scikit-learn, {len(exempt)} of them expected to fail")
    assert len(names) >= FEWEST_CHECKS
    assert sorted(exempt) == sorted(EXEMPT)
    assert {"check_methods_subset_invariance", "check_fit_idempotent"} <= set(names)


# -- the checks that ignore the tags ----------------------------------------------


class AnyNumbers(LSTMClassifier):
    """The same classifier for X of any numbers from -100: quarters become token ids."""

    def _read_for_fit(self, X, y, others, start, X_side=None):
        return super()._read_for_fit(self._ids(X), y, others, start)

    def _encode(self, X, model, X_side=None):
        return super()._encode(self._ids(X), model)

    @staticmethod
    def _ids(X):
        return np.floor(4 * check_array(X)).astype(int) + 401


WIDE = {"vocabulary_size": 1000}


@pytest.mark.parametrize("name", sorted(FRACTIONS))
def test_exempt_check_fails_for_the_given_reason(name):
    """Once one of them honours the tags, its exemption has to go."""
    with pytest.raises((ValueError, AssertionError)) as caught:
        getattr(estimator_checks, name)("LSTMClassifier", LSTMClassifier(**SMALL))
    error = caught.value
    while error is not None and not re.search("token ids are whole numbers", str(error)):
        error = error.__cause__ or error.__context__
    assert error is not None


@pytest.mark.parametrize("settings", [SMALL, FULL_BATCH], ids=["minibatches", "one_batch"])
@pytest.mark.parametrize(
    "name", sorted(FRACTIONS.keys() - {"check_sample_weight_equivalence_on_dense_data"})
)
def test_exempt_check_holds_for_whole_numbers(name, settings):
    getattr(estimator_checks, name)("LSTMClassifier", AnyNumbers(**WIDE, **settings))


def test_sample_weight_equivalence_holds_for_whole_numbers(monkeypatch):
    """With one full batch and plain gradient descent, up to the rounding of float32.

    The check's own tolerance of 1e-7 is one for float64. Adam would divide small
    differences by small gradients and so make them larger.
    """
    exact = estimator_checks.assert_allclose_dense_sparse
    assert inspect.signature(exact).parameters["rtol"].default == 1e-7
    compared = []

    def compare(x, y, **options):
        compared.append(x)
        exact(x, y, rtol=1e-4, atol=1e-5, **options)

    monkeypatch.setattr(estimator_checks, "assert_allclose_dense_sparse", compare)
    settings = {**FULL_BATCH, **WIDE, "optimizer": "sgd", "learning_rate": 0.5, "weight_decay": 0}
    estimator_checks.check_sample_weight_equivalence_on_dense_data("_", AnyNumbers(**settings))
    probabilities, logits, labels = compared
    assert np.ptp(probabilities, axis=0).min() > 0.05, "nothing was learned"


# -- estimators for text ------------------------------------------------------------


TEXT_ESTIMATORS = [
    LSTMSentimentClassifier(**SMALL),
    SequenceVectorizer(),
    SequenceVectorizer(missing="empty", padding="pre", max_length=5),
]
text_estimators = pytest.mark.parametrize("estimator", TEXT_ESTIMATORS, ids=repr)


@text_estimators
def test_scikit_learn_offers_one_check_for_text(estimator):
    """It skips estimators of strings but for cloning, so passing it says little."""
    message = f"Can't test estimator {type(estimator).__name__} which requires input"
    with pytest.warns(estimator_checks.SkipTestWarning, match=message):
        checks = _checks(estimator)
    assert [_name(check) for check in checks] == ["check_estimator_cloneable"]
    for check in checks:
        check(estimator)


# Checks that look at the estimator, not at data.
WITHOUT_DATA = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_mixin_order",
    "check_get_params_invariance",
    "check_set_params",
    "check_parameters_default_constructible",
]


@text_estimators
@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_check_without_data(estimator, name):
    check = getattr(estimator_checks, name, None)
    if check is None:
        pytest.skip("not in this version of scikit-learn")
    check(type(estimator).__name__, estimator)


# With rows of numbers written out as documents, all the other checks run as well.


def _documents(estimator, X, reset):
    """Rows of checked numbers as texts: [2.5, -1] becomes "2 -1"; quarters are kept."""
    X = validate_data(estimator, X, dtype="numeric", reset=reset)
    return [" ".join(f"w{value}" for value in row) for row in np.floor(4 * X).astype(int).tolist()]


class _NumbersAsText:
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = False
        tags.input_tags.two_d_array = True
        return tags


class TextClassifier(_NumbersAsText, LSTMSentimentClassifier):
    """Its first checks of X are scikit-learn's, all that follows is the text estimator."""

    def _read_for_fit(self, X, y, others, start, X_side=None):
        return super()._read_for_fit(_documents(self, X, start is None), y, others, start)

    def _encode(self, X, model, X_side=None):
        return super()._encode(_documents(self, X, False), model)


class TextVectorizer(_NumbersAsText, SequenceVectorizer):
    def fit_transform(self, X, y=None):
        return super().fit_transform(_documents(self, X, True))

    def transform(self, X):
        check_is_fitted(self)
        return super().transform(_documents(self, X, False))


@pytest.mark.filterwarnings("ignore::fastlstm.VocabularyWarning")  # of few documents
@each_check(
    [TextClassifier(**SMALL), TextVectorizer()],
    lambda estimator: ROUNDING if isinstance(estimator, LSTMSentimentClassifier) else {},
)
def test_scikit_learn_check_of_numbers_as_text(estimator, check):
    check(estimator)
