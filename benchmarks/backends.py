"""The case "backends": the same jobs by each compiled backend, in turn.

``backend="auto"`` takes the first backend of ``kernels/registry.py`` that loads; these
results decide their order, and a test compares the two.
"""

from __future__ import annotations

import statistics

from cases import CASES, quick
from driver import heading, shares_of_peak, take_turns, workers_of

LIBRARIES = ("fastlstm_cython", "fastlstm_numba")
JOBS = ("seed", "seed_inference", "tweets", "long_pad")
ONE_CALL = {"length": 100, "first": 0, "calls": 100}


def run(arguments, peak) -> dict:
    """Contents of the results file: us a token, for one document us a call, by job."""
    summary, rounds, shares = {}, {}, {}
    for job in (*JOBS, "one_document"):
        case = quick(CASES[job]) if arguments.quick else CASES[job]
        print(f"  {job}", flush=True)
        with workers_of(case, arguments.threads, LIBRARIES) as (workers, _, _):
            options = ONE_CALL if job == "one_document" else {}
            take_turns(workers, 1, **options)
            done = take_turns(workers, arguments.rounds, **options)
        cost = "us_per_call" if job == "one_document" else "us_per_token"
        rounds[job] = [
            {name.removeprefix("fastlstm_"): answer[cost] for name, answer in answers.items()}
            for answers in done
        ]
        summary[job] = {
            name: statistics.median(costs[name] for costs in rounds[job]) for name in rounds[job][0]
        }
        costs = {f"fastlstm_{name}": cost for name, cost in summary[job].items()}
        if job != "one_document":
            shares[job] = shares_of_peak(case, costs, arguments.threads, peak)
    return {
        **heading(CASES["seed"], arguments.threads, peak),
        "summary": summary,
        "share_of_peak": shares,
        "rounds": rounds,
    }
