"""Starts the workers of a case, compares their outputs, and takes turns with them."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from cases import SEED, Case, make_data, save_data
from machine import FOLDER, RESULTS, description, instruction_level, thread_environment
from peers import LIBRARIES

# Largest difference of probabilities and of the first loss, by precision.
TOLERANCES = {"float32": 1e-4, "bfloat16": 2e-2, "int8": 5e-2}

# Between turns, so that threads that still spin for one library disturb no other.
PAUSE_SECONDS = 0.3


class Worker:
    """A process that runs one library on one case.

    Attributes
    ----------
    reason : str or None
        Why the library cannot do the case, once it has said so.
    info : dict
        What ``prepare`` told.
    """

    def __init__(self, library: str, path: Path, threads: int):
        self.library = library
        self.reason, self.info = None, {}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        command = [sys.executable, str(FOLDER / "worker.py"), library, str(path), str(threads)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            text=True, env={**os.environ, **thread_environment(threads)},
        )  # fmt: skip

    def ask(self, todo: str, **options) -> dict:
        """Send a command and wait for its answer; ends the program if it fails."""
        try:
            self._process.stdin.write(json.dumps({"do": todo, **options}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        result = json.loads(line) if line else {"error": self._last_words()}
        if "error" in result:
            raise SystemExit(f"{self.library}: {todo} failed\n{result['error']}")
        self.reason = result.get("unavailable", self.reason)
        return result

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-4000:] or "the process ended"

    def close(self):
        """End the process."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(json.dumps({"do": "quit"}) + "\n")
            self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


@contextlib.contextmanager
def workers_of(case: Case, threads: int, libraries=None):
    """Prepared workers of a case, with outputs compared; and the libraries left out.

    Yields
    ------
    workers : list of Worker
    skipped : dict of str -> str
        Reason of each library that cannot do the case.
    differences : dict of str -> dict
        Largest difference from the first library's probabilities, and of the loss.
    """
    skipped, workers = {}, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.npz"
        data = make_data(case) if case.documents and case.kind != "whole_job" else _no_data(case)
        save_data(path, case, data)
        try:
            for library in libraries or case.libraries:
                worker = Worker(library, path, threads)
                workers.append(worker)
                worker.info = worker.ask("prepare")
                if worker.reason:
                    skipped[library] = worker.reason
                    worker.close()
                    workers.remove(worker)
                    print(f"  {library} left out: {worker.reason}", flush=True)
            differences = {} if case.kind == "whole_job" else compare_outputs(workers)
            yield workers, skipped, differences
        finally:
            for worker in workers:
                worker.close()


def chosen(case: Case, names) -> list[str]:
    """The libraries of a case in ``names``, if there are any, and its first in any case."""
    return [n for n in case.libraries if not names or n in names or n == case.libraries[0]]


def _no_data(case):
    """Data of one document, for cases whose libraries bring their own."""
    from dataclasses import replace

    return make_data(replace(case, documents=1, vocabulary=16, embedding=1, hidden=1))


def compare_outputs(workers: list[Worker]) -> dict[str, dict]:
    """Differences from the first worker's outputs; ends the program if one is too large."""
    differences, reference = {}, None
    for worker in workers:
        answer = worker.ask("outputs")
        if "probabilities" in answer:
            probabilities = np.array(answer["probabilities"])
        else:
            probabilities = 1 / (1 + np.exp(-np.array(answer["logits"], np.float64)))
        if reference is None:
            reference = probabilities, answer["loss"], worker.library
            spread = float(probabilities.max() - probabilities.min())
            print(f"  probabilities of the documents lie up to {spread:.2g} apart", flush=True)
            continue
        found = {"probability": float(np.abs(probabilities - reference[0]).max())}
        if answer["loss"] is not None:
            found["loss"] = abs(answer["loss"] - reference[1])
        differences[worker.library] = found
        limit = TOLERANCES[LIBRARIES[worker.library].precision]
        if not max(found.values()) < limit:  # NaN, too, is too far
            raise SystemExit(
                f"{worker.library} does not compute what {reference[2]} computes: {found}, "
                f"at most {limit} is allowed. Nothing was timed."
            )
    return differences


def take_turns(workers: list[Worker], rounds: int, **options) -> list[dict]:
    """Rounds of all workers in turn, in an order that is rotated from round to round.

    Returns
    -------
    list of dict
        A round's answer of each library, with "us_per_token"; where it has the seconds
        of each of its "calls", also with their median, "us_per_call".
    """
    done = []
    for number in range(rounds):
        shift = number % len(workers)
        answers = {}
        for worker in workers[shift:] + workers[:shift]:
            time.sleep(PAUSE_SECONDS)
            answer = worker.ask("run", **options)
            if answer.get("tokens"):
                answer["us_per_token"] = 1e6 * answer["seconds"] / answer["tokens"]
            if "calls" in answer:
                answer["us_per_call"] = 1e6 * statistics.median(answer["calls"])
            answers[worker.library] = answer
        done.append(answers)
    return done


def warm_and_timed(
    case: Case, threads: int, rounds: int, at_least: float, libraries=None, warm_up: int = 2
) -> tuple[list[dict], list[dict]]:
    """Rounds of a case that do not count, and those that do, of ``at_least`` seconds each."""
    with workers_of(case, threads, libraries) as (workers, _, _):
        return take_turns(workers, warm_up), take_turns(workers, rounds, at_least=at_least)


def median_of(rounds: list[dict], library: str, beside: str | None = None) -> float:
    """Median us a token of a library, or of its ratio to another in the same round."""
    values = [answers[library]["us_per_token"] for answers in rounds]
    if beside is not None:
        values = [
            value / answers[beside]["us_per_token"]
            for value, answers in zip(values, rounds, strict=True)
        ]
    return statistics.median(values)


def best_ways(medians: dict[str, float]) -> dict[str, dict[str, str]]:
    """The fastest library of each group in each precision: group -> precision -> library."""
    best: dict[str, dict[str, str]] = {}
    for name in sorted(medians, key=medians.get):
        library = LIBRARIES[name]
        best.setdefault(library.group, {}).setdefault(library.precision, name)
    return best


def shares_of_peak(case: Case, us_per_token: dict[str, float], threads: int, peak) -> dict:
    """The part of ``threads`` threads' multiply-add peak that each library reaches.

    Libraries for whose precision no peak was measured are left out.
    """
    shares = {}
    for name, cost in us_per_token.items():
        top = (peak or {}).get(LIBRARIES[name].precision)
        if top:
            shares[name] = 1e6 * case.gflop_per_token() / cost / top[str(threads)]
    return shares


def measure_peak(threads: int) -> dict | None:
    """The machine's multiply-add peak, measured in a process of its own; None if that fails."""
    command = [sys.executable, str(FOLDER / "peak.py"), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def heading(case: Case, threads: int, peak) -> dict:
    """What every results file begins with."""
    return {
        "case": asdict(case),
        "seed": SEED,
        "threads": threads,
        **description(),
        "peak_gflop_per_second": peak,
    }


def write_result(folder, name: str, result: dict) -> None:
    """Write ``<folder>/<name>.json``; ``folder`` None is benchmarks/results/<level>."""
    path = Path(folder or RESULTS / instruction_level()) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"  written: {path.name}", flush=True)
