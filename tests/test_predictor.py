"""The lean predictor: the estimator's numbers without the estimator's imports."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_expit, log_softmax
from sklearn.base import clone

import fastlstm.network.predict
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor
from fastlstm.core import threads
from fastlstm.core.errors import ModelFormatError
from fastlstm.core.threads import COMPANION
from fastlstm.datasets import load_reviews
from fastlstm.kernels.registry import available_backends
from fastlstm.network.losses import log_probabilities
from tests.helpers import NETWORK_ALONE

REVIEWS = load_reviews(None, "train")
TEXTS = REVIEWS.texts[:80]
OTHERS = [*load_reviews(None, "test").texts, "", "?!", "\ud800", "好" * 500]
LABELS = {
    "three": REVIEWS.labels[:80],
    "two": [label == "positive" for label in REVIEWS.labels[:80]],
    "numbers": [len(label) for label in REVIEWS.labels[:80]],
}
SMALL = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 2,
    "early_stopping": False,
    "random_state": 0,
}


def small(**settings):
    return LSTMSentimentClassifier(**{**NETWORK_ALONE, **SMALL, **settings})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A fitted classifier of three classes, and its file."""
    path = tmp_path_factory.mktemp("model") / "model.fastlstm"
    model = small().fit(TEXTS, LABELS["three"])
    model.save(path)
    return model, path


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pooling": "last", "bidirectional": False},
        {"num_layers": 2, "pooling": "mean_max", "tokenizer": "jieba"},
        {"tokenizer": "char", "max_length": 20, "truncation": "head"},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::fastlstm.core.errors.TruncationWarning")
@pytest.mark.parametrize("labels", LABELS)
def test_equals_the_estimator(tmp_path, labels, settings):
    model = small(**settings).fit(TEXTS, LABELS[labels])
    model.save(tmp_path / "model")
    predictor = Predictor(tmp_path / "model")
    np.testing.assert_array_equal(predictor.predict_proba(OTHERS), model.predict_proba(OTHERS))
    np.testing.assert_array_equal(predictor.predict(OTHERS), model.predict(OTHERS))
    assert predictor.predict(OTHERS).dtype == model.predict(OTHERS).dtype
    np.testing.assert_array_equal(predictor.classes_, model.classes_)


@pytest.mark.filterwarnings("ignore::fastlstm.core.errors.TruncationWarning")
@pytest.mark.parametrize("labels", LABELS)
def test_logits_and_logarithms(tmp_path, labels):
    """As scikit-learn and SciPy define them, from the estimator and from its file."""
    model = small().fit(TEXTS, LABELS[labels])
    model.save(tmp_path / "model")
    predictor = Predictor(tmp_path / "model")
    n_classes = len(model.classes_)
    for each in (model, predictor):
        logits, logs = each.decision_function(OTHERS), each.predict_log_proba(OTHERS)
        assert logits.shape == ((len(OTHERS),) if n_classes == 2 else (len(OTHERS), n_classes))
        assert logits.dtype == logs.dtype == np.float64
        np.testing.assert_array_equal(logits, model.decision_function(OTHERS))
        np.testing.assert_allclose(np.exp(logs), each.predict_proba(OTHERS), rtol=1e-12)
        if n_classes == 2:
            expected = np.stack([log_expit(-logits), log_expit(logits)], axis=1)
        else:
            expected = log_softmax(logits, axis=1)
        np.testing.assert_allclose(logs, expected, rtol=1e-12)
        np.testing.assert_array_equal(each.classes_[logs.argmax(axis=1)], each.predict(OTHERS))
    encoded = predictor.encode(OTHERS)
    np.testing.assert_array_equal(predictor.decision_function(encoded), logits)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_logarithms_of_tiny_probabilities_are_finite(n_outputs):
    logits = np.array([[-2000.0, 0.0, 2000.0], [1e300, -1e300, 0.0], [-800.0] * 3])[:, :n_outputs]
    logs = log_probabilities(logits)
    assert np.isfinite(logs[[0, 2]]).all() and (logs <= 0).all()
    if n_outputs == 1:
        np.testing.assert_array_equal(logs[:, 1], log_expit(logits[:, 0]))
    assert logs[0].min() <= -2000


@pytest.mark.parametrize(("n_jobs", "error"), [(0, ValueError), ("2", TypeError)])
def test_a_number_of_threads_without_meaning(saved, n_jobs, error):
    with pytest.raises(error, match="n_jobs="):
        Predictor(saved[1], n_jobs=n_jobs)


def test_cores_are_asked_where_threads_have_work(saved, monkeypatch):
    """Asking takes longer than a short document; what is no number is wrong all the same."""
    model, path = saved
    predictor, asked = Predictor(path), []
    expected = predictor.predict_proba(OTHERS)
    monkeypatch.setattr(threads, "usable_cores", lambda: asked.append(1) or 1)
    for saved_model in (predictor, model.set_params(n_jobs=-1)):
        for number, text in enumerate(OTHERS):
            assert np.array_equal(saved_model.predict_proba([text])[0], expected[number])
        assert not asked
        saved_model.predict(OTHERS * 50)
        assert asked
        asked.clear()
    try:
        with pytest.raises(ValueError, match="n_jobs=0"):
            model.set_params(n_jobs=0).predict(OTHERS[:1])
    finally:
        model.set_params(n_jobs=None)


def test_probabilities_as_near_as_can_be(saved):
    """Where rounding makes both probabilities 0.5, the logit decides, as in the estimator."""
    model, _ = saved
    path = saved[1].with_name("even")
    even = small().fit(["a", "b"], [0, 1])
    for array in even.networks_[0].arrays().values():
        array[...] = 0
    even.networks_[0].named["dense.b"][0] = 1e-20
    even.save(path)
    assert Predictor(path).predict_proba(["a"]).tolist() == [[0.5, 0.5]]
    assert Predictor(path).predict(["a"]) == fastlstm.load(path).predict(["a"]) == [1]


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 3])
def test_threads_change_nothing(saved, n_jobs):
    model, path = saved
    predictor = Predictor(path, n_jobs=n_jobs)
    np.testing.assert_array_equal(predictor.predict_proba(OTHERS), model.predict_proba(OTHERS))


@pytest.fixture(scope="module", params=["directions", "layers"])
def deep(request, tmp_path_factory):
    """A model whose sweeps can run side by side, and a long document."""
    settings = {"bidirectional": request.param == "directions", "num_layers": 3}
    model = small(**settings).fit(TEXTS, LABELS["two"])
    path = tmp_path_factory.mktemp("deep") / "model"
    model.save(path)
    return path, " ".join(TEXTS * 5)


@pytest.fixture
def companion(monkeypatch):
    """Documents of any length run on two threads; the list of those that did."""
    monkeypatch.setattr(fastlstm.network.predict, "_SIDE_BY_SIDE", 0)
    calls = []
    plain = COMPANION.run

    def run(*arguments):
        calls.append(threading.get_ident())
        return plain(*arguments)

    monkeypatch.setattr(COMPANION, "run", run)
    return calls


def test_two_threads_for_one_document_change_nothing(deep, companion):
    path, text = deep
    expected = Predictor(path, n_jobs=1).predict_proba([text])
    assert not companion
    predictor = Predictor(path, n_jobs=2)
    for _ in range(50):
        np.testing.assert_array_equal(predictor.predict_proba([text]), expected)
    assert companion


def test_two_threads_serve_many_callers(deep, companion):
    path, text = deep
    predictor = Predictor(path, n_jobs=2)
    expected = predictor.predict_proba([text])
    with ThreadPoolExecutor(4) as pool:
        for part in pool.map(predictor.predict_proba, [[text]] * 40):
            np.testing.assert_array_equal(part, expected)
    assert len(set(companion)) > 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_threads_after_a_fork(deep, companion):
    path, text = deep
    predictor = Predictor(path, n_jobs=2)
    expected = predictor.predict_proba([text])
    child = os.fork()
    if child == 0:
        same = np.array_equal(predictor.predict_proba([text]), expected)
        os._exit(0 if same else 1)
    deadline = time.monotonic() + 60
    while (done := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            pytest.fail("the child hangs")
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(done[1]) == 0


def test_many_threads_share_one_predictor(saved):
    model, path = saved
    predictor = Predictor(path)
    with ThreadPoolExecutor(4) as pool:
        for part in pool.map(predictor.predict_proba, [OTHERS] * 8):
            np.testing.assert_array_equal(part, model.predict_proba(OTHERS))


def test_order_and_neighbours_change_nothing(saved):
    predictor = Predictor(saved[1])
    expected = predictor.predict_proba(OTHERS)
    np.testing.assert_array_equal(predictor.predict_proba(OTHERS[::-1]), expected[::-1])
    for row in range(0, len(OTHERS), 10):
        np.testing.assert_array_equal(
            predictor.predict_proba(OTHERS[row : row + 1])[0], expected[row]
        )


@pytest.mark.parametrize("name", ["auto", *available_backends()])
def test_backends_agree(saved, name):
    model, path = saved
    if available_backends().get(name, "ok") != "ok":
        pytest.skip(f"{name} does not load here")
    np.testing.assert_allclose(
        Predictor(path, backend=name).predict_proba(OTHERS), model.predict_proba(OTHERS), atol=1e-5
    )


def test_documents_are_read_as_by_the_estimator(saved):
    model, path = saved
    predictor = Predictor(path)
    expected = model.predict(OTHERS[:9])
    for X in (tuple(OTHERS[:9]), np.array(OTHERS[:9]), pd.DataFrame({"text": OTHERS[:9]})):
        np.testing.assert_array_equal(predictor.predict(X), expected)
    with pytest.raises(TypeError, match=r"single str; pass a list of documents: \[X\]"):
        predictor.predict("good")
    with pytest.raises(ValueError, match="first in row 1.*pass '' in their place") as caught:
        predictor.predict(["good", None])
    assert "missing=" not in str(caught.value)  # which no method of it takes
    assert predictor.predict(["good", ""]).tolist() == model.predict(["good", ""]).tolist()


def test_the_advice_for_missing_documents_works(saved):
    model = clone(saved[0]).fit(TEXTS, LABELS["three"])
    with pytest.raises(ValueError, match=r"set_params\(missing='empty'\)"):
        model.predict([None])
    expected = model.predict([""]).tolist()
    model.set_params(missing="empty")
    assert model.predict([None]).tolist() == expected


def test_missing_documents_as_the_model_was_told(tmp_path):
    small(missing="empty").fit(TEXTS, LABELS["three"]).save(tmp_path / "model")
    predictor = Predictor(tmp_path / "model")
    np.testing.assert_array_equal(*predictor.predict_proba([None, ""]))


def test_truncation_is_counted(saved):
    predictor = Predictor(saved[1])
    assert predictor.n_truncated_ == 0
    predictor.predict(["word " * 700, "word", "好" * 601, "好" * 600])
    assert predictor.n_truncated_ == 2
    predictor.predict(["word"])
    assert predictor.n_truncated_ == 0


def test_what_was_cut_and_unknown_comes_back(saved):
    predictor = Predictor(saved[1])
    texts = ["word " * 700, "good unheardofword", ""]
    encoded = predictor.encode(texts)
    assert (encoded.n_documents, encoded.n_truncated, encoded.tokens_lost) == (3, 1, 100)
    assert encoded.n_unknown.tolist() == [600, 1, 0]
    np.testing.assert_array_equal(predictor.predict_proba(encoded), predictor.predict_proba(texts))


def test_threads_share_a_predictor(saved):
    """Each thread has its own documents, answers and count of what was cut."""
    predictor = Predictor(saved[1], n_jobs=1)
    batches = [["word " * 700] * n + ["good"] * 5 for n in range(8)]
    expected = [predictor.predict_proba(batch) for batch in batches]

    def ask(number):
        found = predictor.predict_proba(batches[number])
        return found, predictor.n_truncated_

    with ThreadPoolExecutor(4) as pool:
        for number, (found, n_truncated) in enumerate(pool.map(ask, [*range(8)] * 5)):
            np.testing.assert_array_equal(found, expected[number % 8])
            assert n_truncated == number % 8


def test_token_models_are_refused(tmp_path):
    path = tmp_path / "tokens"
    LSTMClassifier(**SMALL).fit([[2, 3], [3, 2]], [0, 1]).save(path)
    with pytest.raises(ValueError, match="takes token ids. Load it with fastlstm.load") as caught:
        Predictor(path)
    assert str(path) in str(caught.value)
    assert not isinstance(caught.value, ModelFormatError)


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(FileNotFoundError):
        Predictor(tmp_path / "none")
    (tmp_path / "text").write_text("not a model", encoding="utf-8")
    with pytest.raises(ModelFormatError, match="not a fastlstm model file"):
        Predictor(tmp_path / "text")


SCRIPT = """
import sys
from fastlstm import Predictor
predictor = Predictor(sys.argv[1], backend=sys.argv[2])
print(*predictor.predict_proba(["a good film", "好看"])[:, 0].tolist())
print(*{name.split(".")[0] for name in sys.modules})
"""
HEAVY = {"sklearn", "pandas", "joblib", "torch", "polars", "rich", "click"}
# Numba imports SciPy where it is installed.
COMPILERS = {"numba", "llvmlite", "scipy"}


@pytest.mark.parametrize(
    ("backend", "unwanted"),
    [
        ("numba", HEAVY), ("cython", HEAVY | COMPILERS), ("reference", HEAVY | COMPILERS),
    ],
)  # fmt: skip
def test_imports_nothing_heavy(saved, backend, unwanted):
    if available_backends()[backend] != "ok":
        pytest.skip(f"the {backend} backend does not load here")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, saved[1], backend],
        env={**os.environ, "PYTHONPATH": str(Path(fastlstm.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    numbers, modules, _ = done.stdout.split("\n")
    expected = Predictor(saved[1], backend=backend).predict_proba(["a good film", "好看"])[:, 0]
    assert [float(number) for number in numbers.split()] == expected.tolist()
    assert {"numpy", "fastlstm"} <= set(modules.split())
    assert unwanted & set(modules.split()) == set()
    assert done.stderr == ""


def test_it_shows_file_and_classes(saved):
    model, path = saved
    predictor = Predictor(path)
    shown = repr(predictor)
    assert shown == f"<Predictor of {path}, classes {model.classes_.tolist()}>"
    assert repr(pickle.loads(pickle.dumps(predictor))) == shown
    box = io.BytesIO(Path(path).read_bytes())
    assert repr(Predictor(box)).startswith("<Predictor of the file object BytesIO, classes [")


def test_a_pickle_from_before_there_was_a_path(saved):
    predictor = Predictor(saved[1])
    old = object.__new__(Predictor)
    old.__setstate__(predictor.__getstate__()[:4])
    assert repr(old).startswith("<Predictor of a pickle, classes [")
    assert old.predict(OTHERS[:3]).tolist() == predictor.predict(OTHERS[:3]).tolist()
