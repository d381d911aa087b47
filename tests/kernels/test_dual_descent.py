"""Coordinate descent in the dual: against its naive twin, and against scikit-learn."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from fastlstm.kernels import reference
from tests.helpers import assert_close, assert_guards_hold, each_backend, guarded


def problem(n, n_features, seed=0, costs=(0.01, 3.0)):
    """Arguments of the kernel but ``order`` and ``least``, with weights of 0."""
    rng = np.random.default_rng(seed)
    X = csr_matrix(rng.random((n, n_features)) < 0.3, dtype=float)
    weights = np.zeros((n_features + 1, 2))
    weights[:, 1] = np.append(rng.uniform(0, 2, n_features), 1)
    return {
        "indptr": X.indptr.astype(np.int64),
        "indices": X.indices.astype(np.int32),
        "sign": rng.choice([-1.0, 1.0], n),
        "cost": rng.uniform(*costs, n),
        "norms": X @ weights[:-1, 1] + 1,
        "margins": np.full(n, np.inf),
        "weights": weights,
    }, X


def run(k, given, order, least, passes):
    """Some passes over guarded copies; what each returned, margins and weights."""
    margins, weights = (guarded(given[n].shape, float) for n in ("margins", "weights"))
    margins[:], weights[:] = given["margins"], given["weights"]
    rest = {name: given[name] for name in ("indptr", "indices", "sign", "cost", "norms")}
    for array in (order, *rest.values()):
        array.flags.writeable = False
    worst = [
        k.dual_descent(order=order, least=least, margins=margins, weights=weights, **rest)
        for _ in range(passes)
    ]
    assert_guards_hold(margins, weights)
    return worst, margins, weights


@each_backend
@pytest.mark.parametrize(("n", "n_features"), [(0, 0), (1, 0), (1, 5), (7, 3), (40, 25), (5, 200)])
@pytest.mark.parametrize("least", [0.0, 0.05])
def test_against_the_reference(k, n, n_features, least):
    given, _ = problem(n, n_features)
    order = np.random.default_rng(1).permutation(n).astype(np.int64)
    expected = run(reference, given, order, least, 3)
    found = run(k, given, order, least, 3)
    assert found[0] == pytest.approx(expected[0], rel=1e-9)
    for array, wanted in zip(found[1:], expected[1:], strict=True):
        assert_close(array, wanted, 1e-9)


@each_backend
def test_documents_that_are_not_visited_change_nothing(k):
    given, _ = problem(12, 9)
    order = np.arange(0, 12, 3)
    _, margins, weights = run(k, given, order, 0.0, 2)
    assert np.isfinite(margins[order]).all()
    assert np.isinf(np.delete(margins, order)).all()
    seen = {name: given[name][order] for name in ("sign", "cost", "norms", "margins")}
    rows = [given["indices"][given["indptr"][i] : given["indptr"][i + 1]] for i in order]
    offsets = np.cumsum([0, *map(len, rows)])
    alone = {**given, **seen, "indices": np.concatenate(rows), "indptr": offsets}
    assert np.array_equal(run(k, alone, np.arange(len(order)), 0.0, 2)[2], weights)


@each_backend
def test_costs_from_nothing_to_enormous(k):
    """A document of no cost moves nothing; margins stay finite where costs are absurd."""
    given, _ = problem(6, 4)
    given["cost"] = np.array([0.0, 1e-300, 1e-8, 1.0, 1e8, 1e15])
    worst, margins, weights = run(k, given, np.arange(6), 0.0, 30)
    assert np.isfinite(margins).all() and np.isfinite(weights).all()
    before = {**given, "margins": np.full(6, np.inf)}
    assert not run(k, before, np.zeros(1, dtype=np.int64), 0.0, 1)[2][:, 0].any()


@each_backend
def test_the_end_is_the_minimum_that_scikit_learn_finds(k):
    given, X = problem(60, 20, seed=3)
    worst, _, weights = run(k, given, np.arange(60), 0.0, 1000)
    assert worst[-1] < 1e-10
    scale = np.sqrt(given["weights"][:, 1])
    # The constant is one more feature, which the penalty sees.
    rows = np.hstack([X.toarray(), np.ones((60, 1))]) * scale
    model = LogisticRegression(C=1, fit_intercept=False, tol=1e-10, max_iter=10_000)
    model.fit(rows, given["sign"], sample_weight=given["cost"])
    assert_close(weights[:, 0], model.coef_[0] * scale, 1e-6)
