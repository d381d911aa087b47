"""The case "backends": the same jobs by each compiled backend, in turn.

``backend="auto"`` takes the first backend of ``kernels/registry.py`` that loads; these
results decide their order, and a test compares the two.
"""

from __future__ import annotations

import statistics
import time

from cases import CASES, quick
from driver import PAUSE_SECONDS, heading, median_of, take_turns, workers_of

LIBRARIES = ("fastlstm_cython", "fastlstm_numba")
JOBS = ("seed", "seed_inference", "tweets", "long_pad")
_LENGTH, _CALLS = 100, 100


def run(arguments, peak) -> dict:
    """Contents of the results file: us a token, for one document us a call, by job."""
    summary, rounds = {}, {}
    for job in (*JOBS, "one_document"):
        case = quick(CASES[job]) if arguments.quick else CASES[job]
        print(f"  {job}", flush=True)
        with workers_of(case, arguments.threads, LIBRARIES) as (workers, _, _):
            if job == "one_document":
                rounds[job] = _single_calls(workers, arguments.rounds)
            else:
                take_turns(workers, 1)
                rounds[job] = take_turns(workers, arguments.rounds)
            names = [worker.library for worker in workers]
        summary[job] = {
            name.removeprefix("fastlstm_"): median_of(rounds[job], name) for name in names
        }
    return {
        **heading(CASES["seed"], arguments.threads, peak),
        "summary": summary,
        "rounds": {
            job: [{name: a["us_per_token"] for name, a in r.items()} for r in done]
            for job, done in rounds.items()
        },
    }


def _single_calls(workers, rounds):
    """As ``take_turns``, with the median time of a call in the place of "us_per_token"."""
    done = []
    for number in range(rounds):
        shift = number % len(workers)
        answers = {}
        for worker in workers[shift:] + workers[:shift]:
            time.sleep(PAUSE_SECONDS)
            answer = worker.ask("run", length=_LENGTH, first=0, calls=_CALLS)
            answers[worker.library] = {"us_per_token": 1e6 * statistics.median(answer["calls"])}
        done.append(answers)
    return done
