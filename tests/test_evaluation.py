"""Scores: by hand, against their definitions, and against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from fastlstm.evaluation import (
    Totals,
    accuracy,
    bootstrap,
    class_numbers,
    confusion,
    expected_calibration_error,
    macro_f1,
    percentile_interval,
    reliability,
    score,
    wilson_interval,
)

STRINGS, NUMBERS = ["bad", "good", "不好", ""], [-3, 0, 7, 1000]


def random_labels(classes, n_true, n_predicted, seed, kind=list):
    """Labels among the first classes, and predictions among the first of another number."""
    rng = np.random.default_rng(seed)
    true = [classes[i] for i in rng.integers(0, n_true, 50)]
    return kind(true), kind([classes[i] for i in rng.integers(0, n_predicted, 50)])


# Classes that are only predicted, that never are, that occur nowhere; one class predicted.
SHARES = [(4, 4), (2, 4), (4, 2), (2, 2), (4, 1), (1, 4), (1, 1)]


@pytest.mark.parametrize("kind", [list, np.array, lambda x: np.array(x, dtype=object)],
                         ids=["list", "array", "objects"])  # fmt: skip
@pytest.mark.parametrize("classes", [STRINGS, NUMBERS, [False, True, False, True]], ids=str)
@pytest.mark.parametrize(("n_true", "n_predicted"), SHARES)
def test_accuracy_and_macro_f1_are_those_of_scikit_learn(classes, n_true, n_predicted, kind):
    for seed in range(5):
        true, predicted = random_labels(classes, n_true, n_predicted, seed, kind)
        # scikit-learn takes objects for labels of an unknown kind unless they are strings.
        lists = list(true), list(predicted)
        expected = f1_score(*lists, average="macro", zero_division=0)
        assert macro_f1(true, predicted) == expected
        assert accuracy(true, predicted) == accuracy_score(*lists)
        n_classes = len(np.unique(np.concatenate(lists)))
        wanted = (accuracy_score(*lists), expected, 2.5, n_classes)
        assert score(true, predicted, 2.5) == wanted


@pytest.mark.parametrize("classes", [STRINGS, NUMBERS], ids=str)
@pytest.mark.parametrize(("n_true", "n_predicted"), SHARES)
def test_the_confusion_matrix_and_its_scores_are_those_of_scikit_learn(
    classes, n_true, n_predicted
):
    true, predicted = random_labels(classes, n_true, n_predicted, 0)
    shown = classes[::-1]  # in an order of its own
    counts = confusion(class_numbers(true, shown), class_numbers(predicted, shown), len(shown))
    assert np.array_equal(counts, confusion_matrix(true, predicted, labels=shown))
    expected = precision_recall_fscore_support(true, predicted, labels=shown, zero_division=0)
    totals = Totals.of(counts)
    assert np.array_equal(totals.scores(), np.stack(expected[:3], axis=1))
    assert np.array_equal(totals.true, expected[3])
    assert totals.accuracy() == accuracy(true, predicted)
    assert totals.macro_f1() == pytest.approx(macro_f1(true, predicted), rel=1e-14)


def test_labels_that_cannot_be_scored():
    for function in (accuracy, macro_f1):
        with pytest.raises(ValueError, match="3 labels and 1 predictions"):
            function(["a", "b", "b"], ["a"])
    with pytest.raises(KeyError, match="c"):
        class_numbers(["a", "c"], ["a", "b"])


def test_the_wilson_interval():
    # 81 of 263, 95 %: Newcombe (1998), table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert np.isnan(wilson_interval(0, 0)).all()


def test_the_percentile_interval():
    values = np.linspace(0, 1, 1001)
    assert percentile_interval(values) == pytest.approx([0.025, 0.975])
    assert percentile_interval(np.stack([values, -values], axis=1)).shape == (2, 2)


def test_the_mean_f1_is_of_classes_that_occur():
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    totals = Totals.of(confusion(true, predicted, 3))
    assert totals.macro_f1() == pytest.approx(f1_score(true, predicted, average="macro"))
    perfect = bootstrap(confusion(true, true, 3)).macro_f1()
    assert perfect.min() == perfect.max() == 1


def test_the_bootstrap_of_many_classes_is_small():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 1000, 3000)
    found = bootstrap(confusion(true, true, 1000))
    assert found.right.shape == (2000, 1000)
    assert (found.true.sum(axis=1) == 3000).all()


def test_the_bootstrap_spreads_as_resampled_documents_do():
    rng = np.random.default_rng(1)
    true = rng.integers(0, 2, 300)
    predicted = np.where(rng.random(300) < 0.8, true, 1 - true)
    quick = bootstrap(confusion(true, predicted, 2)).accuracy()
    slow = [np.mean((true == predicted)[rng.integers(0, 300, 300)]) for _ in range(2000)]
    assert np.allclose(np.percentile(quick, [5, 50, 95]), np.percentile(slow, [5, 50, 95]),
                       atol=0.012)  # fmt: skip


def test_reliability_of_known_answers():
    said, happened, n = reliability([0.55, 0.6, 0.95, 1.0], [True, False, True, True], 10)
    assert n.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert said[5] == pytest.approx(0.575) and happened[5] == 0.5 and happened[9] == 1


def by_definition(confidence, right, n_bins):
    total = 0.0
    for i in range(n_bins):
        inside = (confidence > i / n_bins) & (confidence <= (i + 1) / n_bins)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def test_calibration_by_hand():
    # Two bins: 0.9 is right half of the time, 0.6 always.
    confidence, right = [0.9, 0.9, 0.6, 0.6], [True, False, True, True]
    assert expected_calibration_error(confidence, right, 4) == pytest.approx(0.4)
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert expected_calibration_error([], []) == 0


@pytest.mark.parametrize("n_bins", [1, 7, 15])
def test_calibration_by_definition(n_bins):
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 500)
    right = rng.random(500) < confidence**2
    found = expected_calibration_error(confidence, right, n_bins)
    assert found == pytest.approx(by_definition(confidence, right, n_bins))
    assert 0 < found < 1
