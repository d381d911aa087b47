"""Threads: errors that arrive, order that is kept, who gets how many, and the companion."""

import os
import subprocess
import sys
import sysconfig
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from joblib import Parallel, delayed

from fastlstm.core import threads
from fastlstm.core.threads import BLAS_ON_ONE_THREAD, Companion, ShardPool, effective_n_jobs
from fastlstm.core.workspace import WorkspacePool
from fastlstm.kernels import reference
from tests.helpers import each_backend

# The pool


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python always has its lock"
)
def test_the_c_kernels_do_without_the_interpreters_lock():
    pytest.importorskip("fastlstm.kernels._cython_lstm")
    code = "import sys, fastlstm.kernels._cython_lstm; sys.exit(sys._is_gil_enabled())"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@each_backend
@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
@pytest.mark.parametrize("n_items", [0, 1, 2, 50])
def test_map_keeps_the_order(k, n_threads, n_items):
    with ShardPool(n_threads, k) as pool:
        # Often, since a call of map may begin while helpers still end the one before.
        for _ in range(200):
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


def test_a_thread_that_calls_map_before_all_have_started_starts_none(monkeypatch):
    class Started(threading.Thread):
        """Gives its caller back only when it has called ``map`` itself."""

        def start(self):
            started.append(self)
            super().start()
            inner.wait(30)

    def outer(item):
        if threading.get_ident() != caller:
            pool.map(lambda _: inner.set(), range(2))
        return item

    started, inner, caller = [], threading.Event(), threading.get_ident()
    monkeypatch.setattr(threads, "Thread", Started)
    with ShardPool(2) as pool:
        assert pool.map(outer, range(3)) == [0, 1, 2]
    assert inner.is_set()
    assert len(started) == 1


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


@each_backend
def test_threads_that_fell_asleep_are_woken(k):
    """Both the helper between two calls of map, and the caller who waits for its end."""
    together = threading.Barrier(2, timeout=30)

    def sleep_in_helper(caller):
        together.wait()
        if threading.get_ident() != caller:
            time.sleep(0.1)

    with ShardPool(2, k) as pool:
        for _ in range(2):
            pool.map(sleep_in_helper, [threading.get_ident()] * 2)
            assert pool._n_asleep <= 1
            time.sleep(0.1)


@each_backend
def test_a_caller_that_is_done_helps_inside_the_others(k):
    """Whichever thread ends first: both are needed inside."""
    caller, ended = threading.get_ident(), threading.Event()

    def outer(number, meet, who_ends):
        meet.wait()
        if (threading.get_ident() == caller) == (who_ends == "caller"):
            ended.set()
            return number
        assert ended.wait(30)
        together = threading.Barrier(2, timeout=30)
        return number if len(pool.map(lambda _: together.wait(), range(2))) == 2 else None

    with ShardPool(2, k) as pool:
        for who_ends in ("caller", "helper") * 20:
            ended.clear()
            meet = threading.Barrier(2, timeout=30)
            assert pool.map(partial(outer, meet=meet, who_ends=who_ends), range(2)) == [0, 1]


def test_an_interrupt_of_a_caller_that_helps_leaves_nobody_waiting():
    """It comes just where the caller would say that it has ended."""
    caller, helped = threading.get_ident(), threading.Event()

    def interrupted(counters, place):
        if threading.get_ident() == caller and place == 0 and helped.is_set():
            helped.clear()
            raise KeyboardInterrupt
        return real(counters, place)

    def inner(together):
        together.wait()
        if threading.get_ident() == caller:
            helped.set()

    def outer(meet):
        meet.wait()
        if threading.get_ident() != caller:
            together = threading.Barrier(2, timeout=30)
            pool.map(inner, [together] * 2)
            ended.append(True)

    ended = []
    with ShardPool(2) as pool:
        real, pool._raise = pool._raise, interrupted
        with pytest.raises(KeyboardInterrupt):
            pool.map(outer, [threading.Barrier(2, timeout=30)] * 2)
        assert ended == [True]
        assert pool.map(str, range(3)) == ["0", "1", "2"]


def test_three_that_take_turns_end_together_on_two_threads():
    """Two turns at a time, whatever thread is the quicker one."""
    seen, together = [], threading.Barrier(2, timeout=30)

    def counting(number):
        for turn in range(20):
            together.wait()
            seen.append((number, turn, threading.get_ident()))
            yield
        return number * 10

    with ShardPool(2) as pool:
        found = pool.take_turns([counting(n) for n in range(3)], at_once=3)
    assert found == [0, 10, 20]
    done = [0, 0, 0]
    for number, turn, _ in seen:
        assert turn == done[number]  # each of its turns once, and in order
        done[number] += 1
        assert max(done) - min(done) <= 2
    assert done == [20, 20, 20]
    assert len({thread for _, _, thread in seen}) == 2


@pytest.mark.parametrize(("n_threads", "at_once", "most"), [(1, 3, 1), (2, 1, 2), (2, 3, 3)])
def test_no_more_take_turns_than_may(n_threads, at_once, most):
    under_way, seen = set(), []
    together = threading.Barrier(n_threads, timeout=30)

    def noting(number):
        under_way.add(number)
        if number < n_threads:
            together.wait()  # however long it takes to start a thread
        for _ in range(5):
            seen.append(len(under_way))
            time.sleep(0.001)
            yield
        under_way.remove(number)

    with ShardPool(n_threads) as pool:
        pool.take_turns([noting(n) for n in range(5)], at_once)
    assert max(seen) == most and len(seen) == 25


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_error_in_a_turn_reaches_the_caller(n_threads):
    stop = threading.Event()

    def failing():
        yield
        raise MemoryError("full")

    def endless():
        while not stop.is_set():
            time.sleep(0.001)
            yield

    calls = [failing(), endless()] if n_threads == 1 else [endless(), failing(), endless()]
    with ShardPool(n_threads) as pool, pytest.raises(MemoryError, match="full"):
        pool.take_turns(calls, 3, stop.set)
    with ShardPool(n_threads) as pool:
        assert pool.take_turns([], 3) == []


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


@each_backend
def test_wait_for_all(k):
    counters = np.array([3, 0])
    for least, reached in [([3, 0], True), ([2, -1], True), ([3, 1], False), ([4, 0], False)]:
        assert k.wait_for_all(counters, np.array(least), 5) is reached


@each_backend
def test_waiting_ends_when_another_thread_has_counted(k):
    counters, least = np.zeros(2, np.int64), np.array([0, 1])

    def count():
        counters[1] = 1

    timer = threading.Timer(0.05, count)
    timer.start()
    deadline = time.monotonic() + 30
    while not k.wait_for_all(counters, least, 100_000):
        assert time.monotonic() < deadline
    timer.join()


@each_backend
def test_a_thread_that_stays_in_python_stops_nobody(k):
    """The one that has the interpreter's lock may be doing something else."""
    k.hand_over(True)
    try:
        with ThreadPoolExecutor(3) as executor:
            norms = [executor.submit(k.squared_norm, np.full(2, 3.0)) for _ in range(30)]
            assert [norm.result(timeout=30) for norm in norms] == [18.0] * 30
    finally:
        k.hand_over(False)


# Numbers of threads


@pytest.mark.parametrize(
    ("n_jobs", "expected"),
    [(None, 4), (1, 1), (3, 3), (9, 9), (-1, 4), (-2, 3), (-4, 1), (-5, 1), (-100, 1)],
)
def test_effective_n_jobs(n_jobs, expected, monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 4)
    assert effective_n_jobs(n_jobs) == expected
    assert effective_n_jobs(n_jobs, several=False) == 1


def test_zero_jobs_is_an_error():
    for several in (True, False):
        with pytest.raises(ValueError, match="n_jobs=0 has no meaning; use a positive number"):
            effective_n_jobs(0, several)


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
    made.close()


@each_backend
def test_companion_makes_calls_at_the_same_time(companion, k):
    together, seen = threading.Barrier(2, timeout=30), []

    def meet():
        together.wait()
        seen.append(threading.get_ident())

    for _ in range(3):
        assert companion.run(k, [meet, meet]) is True
    callers = [thread == threading.get_ident() for thread in seen]
    assert callers.count(True) == 3
    assert len(set(seen)) == 2  # the same thread stays


def test_busy_companion_makes_no_call(companion):
    seen, answers = [], []
    calls = [lambda: seen.append(1), lambda: seen.append(2)]
    assert companion.run(reference, [lambda: answers.append(companion.run(reference, calls))] * 2)
    assert answers == [False, False]
    assert seen == []
    assert companion.run(reference, calls) is True
    assert sorted(seen) == [1, 2]


def test_companion_works_on_alone_where_no_thread_can_be_started(companion, monkeypatch):
    """As at the end of the interpreter."""

    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    seen = []
    assert companion.run(reference, [lambda n=n: seen.append(n) for n in range(5)]) is True
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_cancels_the_call_that_waits(companion, failing):
    """Whichever thread it happens in; and the companion goes on."""
    begun, never = threading.Barrier(2, timeout=30), threading.Event()

    def call(number):
        begun.wait()
        if number == failing:
            raise KeyError(number)
        assert never.wait(30)

    with pytest.raises(KeyError, match=str(failing)):
        companion.run(reference, [partial(call, 0), partial(call, 1)], never.set)
    assert companion.run(reference, [int, int]) is True


def test_an_interrupt_does_not_leave_the_companion_waiting(monkeypatch):
    """Ctrl-C in the caller's sweep: the one that waits for its numbers ends all the same."""
    from fastlstm.core.random import make_streams
    from fastlstm.core.records import TokenSequences
    from fastlstm.kernels.registry import load_backend
    from fastlstm.network import predict as inference
    from fastlstm.network.config import ModelConfig
    from fastlstm.network.parameters import init_parameters

    made = Companion()
    monkeypatch.setattr(inference, "_SIDE_BY_SIDE", 0)
    monkeypatch.setattr(inference, "COMPANION", made)
    config = ModelConfig(9, 3, 4, num_layers=2, bidirectional=False)
    k = load_backend("auto")
    model = inference.Network(k, config, init_parameters(config, make_streams(0)))
    one = TokenSequences(np.ones(300, np.int32), np.array([0, 300]))
    expected = model.logits(one, np.array([0.5, 0.5]), 2)

    def interrupted(k, calls, cancel):
        def first():
            raise KeyboardInterrupt

        return plain(k, [first, *calls[1:]], cancel)

    plain = made.run
    with monkeypatch.context() as patch:
        patch.setattr(made, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.logits(one, np.array([0.5, 0.5]), 2)
    made.close()  # returns once the other sweep has ended
    assert np.array_equal(model.logits(one, np.array([0.5, 0.5]), 2), expected)
    made.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_forked_child_has_a_companion_of_its_own(companion):
    companion.run(reference, [int, int])
    child = os.fork()
    if not child:
        together = threading.Barrier(2, timeout=10)
        try:
            companion.run(reference, [together.wait, together.wait])
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


# Working memory


def test_workspaces_are_borrowed_by_one_at_a_time_and_used_again():
    workspaces = WorkspacePool(np.float32, most_bytes=1000)
    with workspaces.borrow() as first, workspaces.borrow() as second:
        assert first is not second
    with workspaces.borrow() as again:
        assert again in (first, second)
        again.array("large", 1000)
    with workspaces.borrow() as other, workspaces.borrow() as fresh:
        assert again not in (other, fresh)


def test_workspace_of_a_block_that_failed_is_not_used_again():
    workspaces = WorkspacePool(np.float64)
    with pytest.raises(KeyError), workspaces.borrow() as broken:
        raise KeyError
    with workspaces.borrow() as fresh:
        assert fresh is not broken
        assert fresh.array("x", 2).dtype == np.float64


def test_blas_gets_its_threads_back():
    from threadpoolctl import threadpool_info

    def of_blas():
        return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]

    before = of_blas()
    entered, left = threading.Event(), threading.Event()

    def other():
        with BLAS_ON_ONE_THREAD:
            entered.set()
            left.wait()

    thread = threading.Thread(target=other)
    with BLAS_ON_ONE_THREAD:
        thread.start()
        entered.wait()
        assert set(of_blas()) <= {1}
    assert set(of_blas()) <= {1}  # the other one is still inside
    left.set()
    thread.join()
    assert of_blas() == before
