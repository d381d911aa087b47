"""The only place in the package with threads.

Kernels release the GIL, so plain threads suffice.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Lock


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def effective_n_jobs(n_jobs: int | None) -> int:
    """Number of threads for an ``n_jobs`` parameter.

    None is every usable core, or 1 inside a joblib worker, where other workers
    already use the cores. Negative numbers count back from the usable cores, as
    in joblib: -1 is all of them, -2 all but one.
    """
    if n_jobs == 0:
        raise ValueError("n_jobs=0 has no meaning; use a positive number, -1 or None.")
    if n_jobs is None:
        return 1 if _inside_joblib_worker() else usable_cores()
    if n_jobs < 0:
        return max(1, usable_cores() + 1 + n_jobs)
    return max(1, n_jobs)


class ShardPool:
    """Threads that share out a list of calls; the caller takes part.

    Made for one ``fit`` or ``predict`` and closed after it, so nothing outlives
    the call, and a forked child has no dead threads to wait for.
    """

    def __init__(self, n_threads: int):
        self.n_threads = n_threads
        self._executor = ThreadPoolExecutor(n_threads - 1) if n_threads > 1 else None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._executor is not None:
            self._executor.shutdown()

    def map(self, function: Callable, items: Iterable) -> list:
        """``[function(item) for item in items]``, spread over the threads."""
        items = list(items)
        helpers = min(self.n_threads, len(items)) - 1
        if helpers < 1:
            return [function(item) for item in items]
        results = [None] * len(items)
        waiting = deque(enumerate(items))

        def drain():
            while True:
                try:
                    position, item = waiting.popleft()
                except IndexError:
                    return
                try:
                    results[position] = function(item)
                except BaseException:
                    waiting.clear()
                    raise

        futures = [self._executor.submit(drain) for _ in range(helpers)]
        try:
            drain()
        finally:
            waiting.clear()
            wait(futures)  # no call may still run once this one is over
        for future in futures:
            future.result()
        return results


class Companion:
    """One thread that stays, to run a second function beside the caller's.

    Starting a thread for a call of a fraction of a millisecond would cost more than
    it brings. A forked child, which has no threads, makes its own.
    """

    def __init__(self):
        self._lock = Lock()
        # Process, its executor, and a deque whose one element is taken while that works.
        self._state = (None, None, None)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self):
        self._lock, self._state = Lock(), (None, None, None)

    def _start(self):
        with self._lock:
            if self._state[0] != os.getpid():
                executor = ThreadPoolExecutor(1, thread_name_prefix="fastlstm")
                self._state = (os.getpid(), executor, deque([None]))
            return self._state[1:]

    def beside(self, mine: Callable, other: Callable) -> bool:
        """Run both functions at the same time; False, with neither run, if it is busy.

        An exception in ``mine`` arrives at once, while ``other`` may still be running.
        """
        executor, free = self._start()
        try:
            free.pop()
        except IndexError:
            return False

        def released():
            try:
                other()
            finally:
                free.append(None)

        try:
            future = executor.submit(released)
        except RuntimeError:  # no thread can be started, or the interpreter is shutting down
            free.append(None)
            return False
        except BaseException:
            free.append(None)
            raise
        mine()
        future.result()
        return True


COMPANION = Companion()
