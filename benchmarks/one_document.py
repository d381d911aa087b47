"""The case "one_document": how long a single call takes, text in, probability out."""

from __future__ import annotations

import time

import numpy as np
from cases import Case
from driver import PAUSE_SECONDS, chosen, heading, shares_of_peak, workers_of
from peers.texts import LENGTHS

# Calls in a turn. Turns alternate between the libraries.
_BLOCK = 50
_CALLS = 300


def run(case: Case, arguments, peak) -> dict:
    """Contents of the results file: us a call, median and 99th percentile, by length."""
    calls = _CALLS if not arguments.quick else 10
    block = min(_BLOCK, calls)
    libraries = chosen(case, arguments.library)
    with workers_of(case, arguments.threads, libraries) as (workers, skipped, differences):
        taken = {w.library: {str(length): [] for length in LENGTHS} for w in workers}
        for length in LENGTHS:
            for number, first in enumerate(range(0, calls, block)):
                shift = number % len(workers)
                for worker in workers[shift:] + workers[:shift]:
                    time.sleep(PAUSE_SECONDS)
                    answer = worker.ask("run", length=length, first=first, calls=block)
                    taken[worker.library][str(length)] += answer["calls"]
        memory = {worker.library: worker.ask("peak")["peak_mib"] for worker in workers}
    found = {name: summary(by_length) for name, by_length in taken.items()}
    return {
        **heading(case, arguments.threads, peak),
        "calls": calls,
        "calls_in_a_turn": block,
        "summary": found,
        "share_of_one_threads_peak": {
            str(n): shares_of_peak(
                case, {name: v[str(n)]["p50_us"] / n for name, v in found.items()}, 1, peak
            )
            for n in LENGTHS
        },
        "peak_mib": memory,
        "left_out": skipped,
        "differences": differences,
        "us": {
            name: {length: [round(1e6 * s, 1) for s in seconds] for length, seconds in v.items()}
            for name, v in taken.items()
        },
    }


def summary(by_length: dict[str, list[float]]) -> dict:
    """Median and 99th percentile, us a call, of seconds by length."""
    return {
        length: {
            "p50_us": float(1e6 * np.quantile(seconds, 0.5)),
            "p99_us": float(1e6 * np.quantile(seconds, 0.99)),
        }
        for length, seconds in by_length.items()
    }
