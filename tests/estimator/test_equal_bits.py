"""The same fit gives the same bits: alone, in threads, in processes, beside other work.

``FASTLSTM_EQUAL_RUNS=100`` repeats the runs in threads so many times.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, datasets
from fastlstm.classifier.linear_fit import fit_linear_part
from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.kernels.registry import load_backend

ROOT = str(Path(__file__).parents[2])
RUNS = int(os.environ.get("FASTLSTM_EQUAL_RUNS", "2"))

SMALL = {
    "embedding_dim": 8, "hidden_size": 8, "batch_size": 32, "max_epochs": 2, "n_estimators": 2,
    "random_state": 0,
}  # fmt: skip


def texts_and_labels():
    data = datasets.load_reviews(split="train")
    return data.texts[:240], np.asarray(data.labels[:240])


def fit_texts(n_jobs=1):
    """Skip-gram vectors, n-grams, two networks, the linear part with its folds, the blend."""
    texts, labels = texts_and_labels()
    clf = LSTMSentimentClassifier(**SMALL, n_jobs=n_jobs).fit(texts, labels)
    return digest(clf, texts)


def fit_three_classes(n_jobs=1):
    """The linear part once a class, and more texts without labels."""
    texts, labels = texts_and_labels()
    labels = np.where(np.arange(len(labels)) % 5 == 0, "other", labels)
    clf = LSTMSentimentClassifier(**SMALL, n_jobs=n_jobs)
    clf.fit(texts[:160], labels[:160], X_unlabelled=texts[160:])
    return digest(clf, texts)


def fit_ids(n_jobs=1):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 50, (120, 12)), rng.integers(0, 3, 120)
    clf = LSTMClassifier(**SMALL, calibrate=True, n_jobs=n_jobs).fit(X, y)
    return digest(clf, X)


def digest(clf, X):
    """A hash of all weights, of the blend and of probabilities."""
    arrays = [network.flat for network in clf.networks_]
    arrays += [network.embedding for network in clf.networks_]
    arrays += [*clf.blend_, clf.predict_proba(X)]
    if clf.wide_ is not None:
        arrays += [clf.wide_.weights, clf.wide_.bias]
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


FITS = {"texts": fit_texts, "three classes": fit_three_classes, "ids": fit_ids}


def one_fit(name, n_jobs=1):
    return name, FITS[name](n_jobs)


@pytest.fixture(scope="module")
def alone():
    """What each fit gives by itself, on one thread."""
    return {name: fit() for name, fit in FITS.items()}


def test_with_threads_of_their_own(alone):
    assert {name: fit(n_jobs=2) for name, fit in FITS.items()} == alone


def test_beside_each_other_in_threads_and_in_any_order(alone):
    order = random.Random(0)
    for _ in range(RUNS):
        jobs = [(name, n_jobs) for name in FITS for n_jobs in (1, 2)]
        order.shuffle(jobs)
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda job: one_fit(*job), jobs))
        assert [alone[name] for name, _ in found] == [bits for _, bits in found]


def test_in_threads_of_joblib(alone):
    with Parallel(n_jobs=2, backend="threading") as parallel:
        for _ in range(RUNS):
            assert dict(parallel(delayed(one_fit)(name) for name in FITS)) == alone


def test_in_processes_of_loky(alone):
    # The workers cannot import this module, so they run its file.
    fit = f"__import__('runpy').run_path({__file__!r})['one_fit']"
    found = Parallel(n_jobs=2, backend="loky")(delayed(eval)(f"{fit}({name!r})") for name in FITS)
    assert dict(found) == alone


@pytest.mark.parametrize("threads", ["1", "2", "7"])
def test_whatever_the_threads_of_blas(alone, threads, tmp_path):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    code = (
        # Behind everything else, so that the package is the one that is tested here.
        f"import json, sys; sys.path.append({ROOT!r}); "
        "from tests.estimator.test_equal_bits import FITS, one_fit; "
        "print(json.dumps(dict(one_fit(name, 2) for name in reversed(FITS))))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, **dict.fromkeys(names, threads)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == alone


def test_random_numbers_of_the_process_do_not_matter(alone):
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    assert fit_texts() == alone["texts"]
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    fit_texts()
    assert random.getstate() == before[0]
    assert all(map(np.array_equal, np.random.get_state(), before[1]))  # noqa: NPY002


def test_a_large_linear_part_whatever_the_threads():
    """Arrays so long that BLAS would share out a sum of them."""
    rng = np.random.default_rng(0)
    n, n_tokens = 6000, 4000
    sequences = TokenSequences(
        rng.zipf(1.3, 20 * n).clip(2, n_tokens - 1).astype(np.int32), np.arange(n + 1) * 20
    )
    y, k = rng.integers(0, 2, n), load_backend("auto")
    with ShardPool(2, k) as pool:
        one, two = (
            fit_linear_part(k, sequences, n_tokens, y, np.ones(n), 2, pool=threads)
            for threads in (None, pool)
        )
    assert np.array_equal(one[0].weights, two[0].weights)
    assert np.array_equal(one[0].bias, two[0].bias)
    assert np.array_equal(one[1], two[1])


def test_nothing_that_others_watch_is_called(monkeypatch):
    """Tools that log each fit of scikit-learn see one fit, not those within it."""
    from sklearn.linear_model import LogisticRegression

    def fit(*arguments, **options):
        raise AssertionError("scikit-learn's classifier was fitted inside")

    monkeypatch.setattr(LogisticRegression, "fit", fit)
    assert len(fit_texts()) == 64
