"""Threads: errors that arrive, order that is kept, who gets how many, and the companion."""

import os
import threading
import time

import numpy as np
import pytest
from joblib import Parallel, delayed

from fastlstm.core import threads
from fastlstm.core.threads import Companion, ShardPool, effective_n_jobs

# The pool


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
@pytest.mark.parametrize("n_items", [0, 1, 2, 50])
def test_map_keeps_the_order(n_threads, n_items):
    with ShardPool(n_threads) as pool:
        for _ in range(3):
            assert pool.map(lambda x: x * x, range(n_items)) == [x * x for x in range(n_items)]


def test_map_runs_on_all_threads_and_the_caller_takes_part():
    together = threading.Barrier(3, timeout=30)

    def meet(_):
        together.wait()  # only passed if three threads are inside at once
        return threading.get_ident()

    with ShardPool(3) as pool:
        threads = pool.map(meet, range(3))
    assert len(set(threads)) == 3
    assert threading.get_ident() in threads


@pytest.mark.parametrize("in_caller", [True, False], ids=["in_caller", "in_helper"])
def test_an_error_reaches_the_caller_and_the_pool_still_works(in_caller):
    together = threading.Barrier(2, timeout=30)
    caller = threading.get_ident()

    def fail_in_one(item):
        together.wait()
        if (threading.get_ident() == caller) == in_caller:
            raise KeyError("lost")
        return item

    with ShardPool(2) as pool:
        with pytest.raises(KeyError, match="lost"):
            pool.map(fail_in_one, range(2))
        assert pool.map(lambda x: -x, range(20)) == [-x for x in range(20)]


def test_nothing_new_starts_after_an_error_in_the_caller():
    seen = []

    def fail(item):
        seen.append(item)
        raise ValueError("stop")

    with ShardPool(1) as pool, pytest.raises(ValueError, match="stop"):
        pool.map(fail, range(100))
    assert seen == [0]


def test_no_thread_outlives_the_pool():
    before = threading.active_count()
    with ShardPool(4) as pool:
        pool.map(lambda x: x, range(100))
    assert threading.active_count() == before


# Numbers of threads


@pytest.mark.parametrize(
    ("n_jobs", "expected"),
    [(None, 4), (1, 1), (3, 3), (9, 9), (-1, 4), (-2, 3), (-4, 1), (-5, 1), (-100, 1)],
)
def test_effective_n_jobs(n_jobs, expected, monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 4)
    assert effective_n_jobs(n_jobs) == expected


def test_zero_jobs_is_an_error():
    with pytest.raises(ValueError, match="n_jobs=0 has no meaning; use a positive number"):
        effective_n_jobs(0)


def test_usable_cores_is_a_positive_number():
    assert threads.usable_cores() >= 1


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_one_thread_inside_joblib_workers(backend):
    """But as many as are asked for where n_jobs is given."""
    calls = [delayed(effective_n_jobs)(n_jobs) for n_jobs in (None, 3, None)]
    assert Parallel(n_jobs=2, backend=backend)(calls) == [1, 3, 1]


def test_all_cores_where_joblib_runs_one_job(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 4)
    assert Parallel(n_jobs=1)([delayed(effective_n_jobs)(None)]) == [4]


# The companion


@pytest.fixture
def companion():
    made = Companion()
    yield made
    if made._state[1] is not None:
        made._state[1].shutdown()


def test_companion_runs_both_at_the_same_time(companion):
    together, seen = threading.Barrier(2, timeout=30), []

    def meet():
        together.wait()
        seen.append(threading.get_ident())

    for _ in range(3):
        assert companion.beside(meet, meet) is True
    callers = [thread == threading.get_ident() for thread in seen]
    assert callers.count(True) == 3
    assert len(set(seen)) == 2  # the same thread stays


def test_busy_companion_runs_neither(companion):
    seen, answers, asked = [], [], threading.Event()

    def note():
        seen.append(threading.get_ident())

    def ask():
        answers.append(companion.beside(note, note))
        asked.set()

    assert companion.beside(ask, lambda: asked.wait(30)) is True
    assert answers == [False]
    assert seen == []
    assert companion.beside(note, note) is True
    assert len(set(seen)) == 2


def test_companion_that_is_shut_down_runs_neither(companion):
    """As at the end of the interpreter."""
    seen = []
    assert companion.beside(lambda: None, lambda: None)
    companion._state[1].shutdown()
    assert companion.beside(lambda: seen.append(1), lambda: seen.append(2)) is False
    assert seen == []


@pytest.mark.parametrize("failing", ["mine", "other", "both"])
def test_error_in_either_function_arrives_and_the_companion_goes_on(companion, failing):
    finished = []

    def run(name):
        if failing in (name, "both"):
            raise KeyError(name)
        finished.append(name)

    with pytest.raises(KeyError, match="other" if failing == "other" else "mine"):
        companion.beside(lambda: run("mine"), lambda: run("other"))
    # An error of the caller's own function does not wait for the other one.
    seen, deadline = [], time.monotonic() + 30
    while not companion.beside(lambda: seen.append(1), lambda: seen.append(2)):
        assert time.monotonic() < deadline
    assert sorted(seen) == [1, 2]
    assert finished == [name for name in ("mine", "other") if failing not in (name, "both")]


def test_an_interrupt_does_not_leave_the_companion_waiting(monkeypatch):
    """Ctrl-C in the caller's half: the half that waits for its numbers ends all the same."""
    from fastlstm import model as network
    from fastlstm.core.random import make_streams
    from fastlstm.core.records import TokenSequences
    from fastlstm.kernels.registry import load_backend

    made = Companion()
    monkeypatch.setattr(network, "_SIDE_BY_SIDE", 0)
    monkeypatch.setattr(network, "COMPANION", made)
    config = network.ModelConfig(9, 3, 4, num_layers=2, bidirectional=False)
    k = load_backend("numba")
    model = network.Network(k, config, network.init_parameters(config, make_streams(0)))
    one = TokenSequences(np.ones(300, np.int32), np.array([0, 300]))
    expected = model.logits(one, np.array([0.5, 0.5]), 2)

    def interrupted(sweeps):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        plain(sweeps)

    plain = network._one_after_the_other
    with monkeypatch.context() as patch:
        patch.setattr(network, "_one_after_the_other", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.logits(one, np.array([0.5, 0.5]), 2)
    made._state[1].shutdown()  # returns once the other half has ended
    made._forget()
    assert np.array_equal(model.logits(one, np.array([0.5, 0.5]), 2), expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_forked_child_has_a_companion_of_its_own(companion):
    companion.beside(lambda: None, lambda: None)
    child = os.fork()
    if not child:
        together = threading.Barrier(2, timeout=10)
        try:
            companion.beside(together.wait, together.wait)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
