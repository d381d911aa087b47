"""The only place in the package with threads.

Kernels release the GIL, so plain threads suffice.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from heapq import heappop, heappush
from numbers import Integral
from threading import Condition, Lock, Thread
from typing import Any, TypeVar

import numpy as np

from fastlstm.core.cores import find_cores
from fastlstm.core.workspace import ALIGNMENT


def usable_cores() -> int:
    """Cores that this process may use, see ``find_cores``."""
    return find_cores().number


def _inside_joblib_worker() -> bool:
    """Whether joblib already runs this process or thread as one of several workers."""
    joblib = sys.modules.get("joblib")
    if joblib is None:
        return False
    import multiprocessing

    process = multiprocessing.current_process()
    if process.daemon or type(process).__name__ == "LokyProcess" or "Loky" in process.name:
        return True
    backend = joblib.parallel.get_active_backend()[0]
    return getattr(backend, "nesting_level", 0) > 0


def effective_n_jobs(n_jobs: int | None, several: bool = True) -> int:
    """Number of threads for an ``n_jobs`` parameter.

    None is every usable core, or 1 inside a joblib worker, where other workers
    already use the cores. Negative numbers count back from the usable cores, as
    in joblib: -1 is all of them, -2 all but one. A positive number is taken as it is,
    whatever the machine has.

    Without ``several`` the answer is 1: there is no work for more than one thread. Asking
    the system for its cores takes longer than a short sentence through a network.

    Raises
    ------
    ValueError, TypeError
        If ``n_jobs`` is 0 or no whole number, or ``FASTLSTM_NUM_THREADS`` is no number.
    """
    if n_jobs is not None and not isinstance(n_jobs, Integral):
        raise TypeError(f"n_jobs={n_jobs!r} is no whole number; use a positive one, -1 or None.")
    if n_jobs == 0:
        raise ValueError("n_jobs=0 has no meaning; use a positive number, -1 or None.")
    if not several:
        return 1
    if n_jobs is None:
        return 1 if _inside_joblib_worker() else usable_cores()
    if n_jobs < 0:
        return max(1, usable_cores() + 1 + n_jobs)
    return int(n_jobs)


# Looks at a counter before a thread goes to sleep, some tenths of a millisecond: longer
# than one thread of a pool works alone between two minibatches.
_TRIES = 10_000


def _counters(n: int) -> np.ndarray:
    """``n`` counters of 0 in cache lines of their own.

    A thread that waits reads them over and over. Were there anything beside them that another
    thread writes, such as the reference counts of Python's objects, both would wait for the
    line at each look.
    """
    around = 2 * ALIGNMENT // 8
    return np.zeros(n + 2 * around, dtype=np.int64)[around : around + n]


class _OneThread:
    """A context in which products of BLAS take one thread, entered by several threads at once."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limit: Any = None

    def __enter__(self) -> None:
        from threadpoolctl import threadpool_limits

        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._limit = threadpool_limits(limits=1, user_api="blas")

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()
                self._limit = None


# Where a pool has several threads, those of BLAS are in their way: norms of documents take 1.7
# times as long on two cores without it (benchmarks/private_steps.py).
BLAS_ON_ONE_THREAD = _OneThread()


_T = TypeVar("_T")
Turns = Generator[None, None, _T]


class _Job:
    """One call of ``map``: what is left of it, and who works on it."""

    def __init__(self, work: Callable[[deque[tuple[int, Any]]], object], items: list[Any], n: int):
        self.waiting = deque(enumerate(items))
        self.work = work
        # How often each helper began to work on it, and came to an end.
        self.begun = np.zeros(n, dtype=np.int64)
        self.ended = _counters(n)


class ShardPool:
    """Threads that share out a list of calls; the caller takes part.

    A call may itself call ``map``: threads that find nothing left of the outer list help
    with the inner ones, the caller as the others. Nobody who waits for an inner list begins
    something of an outer one.

    Made for one ``fit`` or ``predict`` and closed after it, so nothing outlives
    the call, and a forked child has no dead threads to wait for. Waking a sleeping
    thread takes as long as a small minibatch, so threads stay awake for a moment
    after their work, both for the next call of ``map`` and for its end.

    Parameters
    ----------
    n_threads : int
        The caller is one of them.
    k : kernels.contract.Kernels or None
        They wait for threads and hand over the interpreter's lock; without them threads
        sleep at once.
    """

    def __init__(self, n_threads: int, k: Any = None) -> None:
        self.n_threads = n_threads
        self._k = k
        self._threads: list[Thread] = []
        self._condition = Condition()
        self._n_asleep = 0
        self._jobs: list[_Job] = []  # that are running, outer ones first
        self._closed = False
        self._posted = _counters(1)  # calls of ``map``, and one at the end

    def __enter__(self) -> ShardPool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads."""
        self._closed = True
        self._raise(self._posted, 0)
        for thread in self._threads:
            thread.join()

    def map(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        cancel: Callable[[], object] | None = None,
    ) -> list[Any]:
        """``[function(item) for item in items]``, spread over the threads.

        Items are begun in their order, so a call may wait for what an earlier one does.
        ``cancel`` is called after an error or an interrupt, which some call may then
        wait for in vain.
        """
        items = list(items)
        if min(self.n_threads, len(items)) < 2:
            return [function(item) for item in items]
        results, errors = [None] * len(items), []
        stop: Callable[[], object] = cancel or int

        def drain(waiting: deque[tuple[int, Any]]) -> None:
            while True:
                try:
                    position, item = waiting.popleft()
                except IndexError:
                    return
                try:
                    results[position] = function(item)
                except BaseException as error:
                    waiting.clear()
                    errors.append(error)
                    stop()

        job, finished = _Job(drain, items, self.n_threads), False
        is_outer = not self._jobs
        self._jobs.append(job)
        if is_outer and self._k is not None:
            self._k.hand_over(True)
        try:
            self._raise(self._posted, 0)
            if is_outer:  # inner calls run beside each other, and would each start their own
                self._start_threads()
            drain(job.waiting)
            if is_outer:
                self._help_until_over(job)
            else:
                self._wait_for(job)
            finished = True
        finally:
            # No call may still run once this one is over; who begins now finds none.
            job.waiting.clear()
            self._jobs.remove(job)
            if not finished:
                stop()
                if is_outer:
                    self._let_go()
                self._wait_for(job)
            if is_outer and self._k is not None:
                self._k.hand_over(False)
        if errors:
            raise errors[0]
        return results

    def run(
        self,
        calls: Iterable[Callable[[], Any]],
        cancel: Callable[[], object] | None = None,
    ) -> list[Any]:
        """``[call() for call in calls]``, see ``map``."""
        return self.map(_call, calls, cancel)

    def take_turns(
        self,
        calls: Sequence[Turns[_T]],
        at_once: int,
        cancel: Callable[[], object] | None = None,
    ) -> list[_T]:
        """What generators return, each of them run to its end.

        They yield where a thread may go on with another one, the one with the fewest turns so
        far. So two threads come to the end of three equal ones together, and none of them works
        on the third alone.

        Parameters
        ----------
        calls : sequence of generators
        at_once : int
            The next one is begun when fewer than these are under way; never fewer than
            there are threads for.
        cancel : callable or None
            As for ``map``.
        """
        results: list[Any] = [None] * len(calls)
        waiting = deque(enumerate(calls))
        n_threads = min(self.n_threads, len(calls))
        # One thread has no reason to change.
        n_first = n_threads if n_threads < 2 else max(n_threads, at_once)
        ready = [(0, *waiting.popleft()) for _ in range(min(n_first, len(calls)))]
        lock = Lock()

        def work(_: int) -> None:
            while True:
                with lock:
                    if not ready:
                        return
                    turns, number, call = heappop(ready)
                try:
                    next(call)
                except StopIteration as end:
                    results[number] = end.value
                    with lock:
                        if waiting:
                            heappush(ready, (0, *waiting.popleft()))
                else:
                    with lock:
                        heappush(ready, (turns + 1, number, call))

        self.map(work, range(n_threads), cancel)
        return results

    def _start_threads(self) -> None:
        for number in range(len(self._threads) + 1, self.n_threads):
            name = f"fastlstm-{number}"
            thread = Thread(target=self._serve, args=[number], name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads here, or the interpreter is shutting down
                self.n_threads = number
                return
            self._threads.append(thread)

    def _serve(self, number: int) -> None:
        seen = np.zeros(1, dtype=np.int64)
        while True:
            self._wait_until(self._posted, seen + 1)
            seen = self._posted.copy()
            if self._closed:
                return
            while self._help(number):
                pass

    def _help(self, number: int) -> bool:
        """Work on what is left of a job, the outermost first; False if nothing is left."""
        for job in [*self._jobs]:
            if job.waiting:
                job.begun[number] += 1
                job.work(job.waiting)
                self._raise(job.ended, number)
                if self._jobs[:1] == [job]:  # who has called it waits for inner ones, too
                    self._raise(self._posted, 0)
                return True
        return False

    def _help_until_over(self, job: _Job) -> None:
        """Work on what calls of ``map`` inside the outermost job leave, until that is over."""
        while True:
            seen = self._posted.copy()
            if self._help(0):
                continue
            if (job.ended >= job.begun).all():
                return
            self._wait_until(self._posted, seen + 1)

    def _let_go(self) -> None:
        """Of the caller, which an interrupt has torn from helping: nobody waits for it."""
        for job in [*self._jobs]:
            while job.ended[0] < job.begun[0]:
                self._raise(job.ended, 0)

    def _wait_for(self, job: _Job) -> None:
        """Return once no helper works on a job of which nothing is left."""
        if job.begun.any():
            self._wait_until(job.ended, job.begun.copy())

    def _wait_until(self, counters: np.ndarray, least: np.ndarray) -> None:
        """Return once all counters are at ``least``: awake for a moment, then asleep."""
        if self._k is not None and self._k.wait_for_all(counters, least, _TRIES):
            return
        with self._condition:
            self._n_asleep += 1
            self._condition.wait_for(lambda: (counters >= least).all())
            self._n_asleep -= 1

    def _raise(self, counters: np.ndarray, place: int) -> None:
        """Count up and wake who sleeps until then.

        Under the condition's lock: who falls asleep has seen the new number or is woken, and
        who sees it sees all that was stored before, also without the interpreter's lock.
        """
        with self._condition:
            counters[place] += 1
            if self._n_asleep:
                self._condition.notify_all()


class Companion:
    """A pool of two threads that stays, for calls that starting a thread would delay.

    A forked child, which has no threads, makes its own.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._busy = Lock()
        self._pools: dict[str, ShardPool] = {}

    def run(
        self,
        k: Any,
        calls: Iterable[Callable[[], object]],
        cancel: Callable[[], object] | None = None,
    ) -> bool:
        """Make the calls, on two threads; False, with none made, if another caller does so.

        See ``ShardPool.map``.
        """
        if not self._busy.acquire(blocking=False):
            return False
        try:
            if k.NAME not in self._pools:
                self._pools[k.NAME] = ShardPool(2, k)
            self._pools[k.NAME].run(calls, cancel)
        finally:
            self._busy.release()
        return True

    def close(self) -> None:
        """End its threads; it starts new ones when they are needed."""
        with self._busy:
            while self._pools:
                self._pools.popitem()[1].close()


def _call(function: Callable[[], object]) -> object:
    return function()


COMPANION = Companion()
