"""How far more threads could speed up one default fit: a SIMULATION from measured tasks.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/scaling.py [--set mr]
    python benchmarks/scaling.py               # texts that are drawn

One ``LSTMSentimentClassifier().fit`` on one thread is timed task by task: each call that a
pool of threads could share out (lanes of a step, sums of gradients, parts of an update,
folds of the linear part, chunks of documents), and what lies between two pools, which one
thread does alone. A list scheduler then does the same tasks with 1 to 64 threads that cost
nothing: no interpreter's lock, no caches or memory to share, no waking. So the result is
what the order of the work allows, and no measurement. Beside it stand measured times of
whole fits with one and two threads. Written to ``benchmarks/results/<level>/scaling.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from cases import Case, make_data, text_of
from driver import write_result
from machine import description, usable_cores

THREADS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)

# As long as the sentences of the set mr.
DRAWN = Case("drawn", "training", (), documents=8_000, shortest=5, longest=37, zipf=True)


@dataclass
class Phase:
    """A part of a fit: stages one after another, each of tasks that may run side by side."""

    after: tuple[str, ...]  # phases that it waits for
    stages: list[list[float]] = field(default_factory=list)  # seconds of each task

    @property
    def work(self) -> float:
        return sum(map(sum, self.stages))

    @property
    def longest_way(self) -> float:
        """Seconds with a thread for each task."""
        return sum(map(max, self.stages))


def simulate(phases: dict[str, Phase], threads: int) -> float:
    """Seconds until all is done.

    A free thread takes the task, of those that need not wait, with the longest way from it to
    the end. Phases stand behind those that they wait for.
    """
    stages: list[list[float]] = []
    then: list[list[int]] = []  # stages that wait for a stage
    waits: list[int] = []
    last: dict[str, int] = {}
    for name, phase in phases.items():
        for number, tasks in enumerate(phase.stages):
            before = [len(stages) - 1] if number else [last[other] for other in phase.after]
            for other in before:
                then[other].append(len(stages))
            stages.append(tasks)
            then.append([])
            waits.append(len(before))
        last[name] = len(stages) - 1
    way = [0.0] * len(stages)
    for i in reversed(range(len(stages))):
        way[i] = max(stages[i]) + max((way[j] for j in then[i]), default=0.0)
    left = [len(tasks) for tasks in stages]
    ready = [(-way[i], i, -s) for i in range(len(stages)) if not waits[i] for s in stages[i]]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < threads:
            _, i, seconds = heapq.heappop(ready)
            heapq.heappush(running, (now - seconds, i))
        now, i = heapq.heappop(running)
        left[i] -= 1
        for j in [] if left[i] else then[i]:
            waits[j] -= 1
            for seconds in [] if waits[j] else stages[j]:
                heapq.heappush(ready, (-way[j], j, -seconds))
    return now


class Recorder:
    """Times the phases of a fit on one thread, and in them each call of a pool's map."""

    def __init__(self):
        self.phases: dict[str, Phase] = {}
        self._open: Phase | None = None
        self._in_task = False
        self._mark = 0.0

    def phase(self, name: str, after: tuple[str, ...], function):
        """``function``, each call of which is a phase, unless another one calls it."""

        def call(*arguments, **options):
            if self._open is not None:
                return function(*arguments, **options)
            number = sum(other.startswith(name) for other in self.phases) + 1
            waits = [n for n in self.phases if n.startswith(after)] if after else []
            self._open = Phase(tuple(waits))
            self.phases[f"{name} {number}" if number > 1 else name] = self._open
            self._mark = time.perf_counter()
            result = function(*arguments, **options)
            self._alone()
            self._open = None
            return result

        return call

    def _alone(self):
        now = time.perf_counter()
        self._open.stages.append([now - self._mark])
        self._mark = now

    def map(self, pool, function, items, cancel=None):
        """In place of ``ShardPool.map``."""
        if self._open is None or self._in_task:
            return [function(item) for item in items]
        if pool.n_threads != 1:
            raise RuntimeError("tasks are timed on one thread only")
        self._alone()
        tasks, results = [], []
        self._in_task = True
        for item in items:
            started = time.perf_counter()
            results.append(function(item))
            tasks.append(time.perf_counter() - started)
        self._in_task = False
        if tasks:
            self._open.stages.append(tasks)
        self._mark = time.perf_counter()
        return results


@contextlib.contextmanager
def recorded() -> Iterator[Recorder]:
    """Fits in the block tell the recorder what they do. The one place that knows fit's parts."""
    from fastlstm.classifier import fit, linear_fit, networks
    from fastlstm.core.threads import ShardPool
    from fastlstm.text.encoder import TextEncoder
    from fastlstm.text.ngrams import NGrams
    from fastlstm.training.loop import Trainer

    recorder = Recorder()

    def in_one_turn(title, after, turns):
        """A training that others would not wait for: it is a phase from its begin to its end."""
        whole = recorder.phase(title, after, lambda *given: deque(turns(*given), maxlen=0))

        def one(*given):
            whole(*given)
            yield

        return one

    parts = [
        (TextEncoder, "learn", "tokens", ()),
        (NGrams, "learn", "n-grams", ("tokens",)),
        (networks, "skip_gram", "skip-gram", ("n-grams",)),
        (Trainer, "turns", "network", ("skip-gram", "linear part")),
        (linear_fit, "fit_linear_part", "linear part", ("n-grams",)),
        (fit, "of_held_out", "held-out scoring", ("network", "linear part")),
    ]
    with contextlib.ExitStack() as stack:
        for owner, name, title, after in parts:
            before = vars(owner)[name]
            stack.callback(setattr, owner, name, before)
            function = getattr(before, "__func__", before)  # of a class method
            wrapped = (in_one_turn if name == "turns" else recorder.phase)(title, after, function)
            setattr(owner, name, wrapped if function is before else classmethod(wrapped))
        stack.callback(setattr, ShardPool, "map", ShardPool.map)
        ShardPool.map = lambda *arguments, **options: recorder.map(*arguments, **options)
        yield recorder


def fit_seconds(texts, labels, threads: int) -> float:
    """Seconds of a default fit."""
    from fastlstm import LSTMSentimentClassifier

    classifier = LSTMSentimentClassifier(random_state=0, n_jobs=threads)
    started = time.perf_counter()
    classifier.fit(texts, labels)
    return time.perf_counter() - started


def measure(texts, labels) -> tuple[dict[str, Phase], float]:
    """The phases of a fit on one thread, and the seconds of all of it."""
    with recorded() as recorder:
        whole = fit_seconds(texts, labels, 1)
    phases = recorder.phases
    if not any(len(s) > 1 for n, p in phases.items() if n.startswith("network") for s in p.stages):
        raise SystemExit("no lanes were seen: training shares out its work in another way now")
    # Checks, first weights and the blend: one thread alone, at the beginning, as none knows better.
    rest = whole - sum(phase.work for phase in phases.values())
    first = {name: phase if phase.after else replace(phase, after=("the rest",))
             for name, phase in phases.items()}  # fmt: skip
    return {"the rest": Phase((), [[rest]]), **first}, whole


def result_of(name: str, texts, labels, measured_threads) -> dict:
    """Contents of the results file."""
    some = slice(None, None, max(1, len(texts) // 300))  # files are sorted by label
    fit_seconds(texts[some], labels[some], 1)  # loads libraries and compiles
    phases, whole = measure(texts, labels)
    simulated = {threads: simulate(phases, threads) for threads in THREADS}
    return {
        "what": "SIMULATION: a list scheduler over measured tasks, with threads that cost nothing",
        "set": name, "documents": len(texts), **description(),
        "phases": {
            name: {"after": phase.after, "seconds": phase.work, "longest_way": phase.longest_way,
                   "stages": len(phase.stages), "tasks": sum(map(len, phase.stages))}
            for name, phase in phases.items()
        },
        "seconds_while_timed": whole,
        "simulated_seconds": simulated,
        "simulated_speed_up": {n: simulated[1] / seconds for n, seconds in simulated.items()},
        "measured_seconds": {n: fit_seconds(texts, labels, n) for n in measured_threads},
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", help="of $FASTLSTM_REVIEW_SETS; default mr, or drawn texts")
    parser.add_argument("--quick", action="store_true", help="few drawn documents")
    parser.add_argument("--out", help="folder for the results, default benchmarks/results/<level>")
    arguments = parser.parse_args()
    name = arguments.set or ("mr" if os.environ.get("FASTLSTM_REVIEW_SETS") else "drawn")
    if arguments.quick or name == "drawn":
        data = make_data(replace(DRAWN, documents=100) if arguments.quick else DRAWN)
        edges = data.offsets
        texts = [text_of(data.ids[a:b]) for a, b in zip(edges[:-1], edges[1:], strict=True)]
        name, labels = "drawn", data.labels
    else:
        from accuracy_child import split

        table, _ = split(name, dev=False)
        texts, labels = table.texts, table.labels
    result = result_of(name, texts, labels, range(1, min(2, usable_cores()) + 1))
    for threads, speed_up in result["simulated_speed_up"].items():
        print(f"SIMULATION, {threads} threads: {speed_up:.2f} times as fast as one")
    print("measured seconds by threads:", result["measured_seconds"])
    folder = tempfile.mkdtemp(prefix="benchmarks-") if arguments.quick else None
    write_result(arguments.out or folder, "scaling", result)


if __name__ == "__main__":
    main()
