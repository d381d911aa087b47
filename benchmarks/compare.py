"""fastlstm side by side with other libraries, each in a process of its own.

    pip install '.[bench]' && python benchmarks/compare.py [--case NAME ...]

For each case (benchmarks/cases.py, and mixed_lengths, growth, cold_start and backends
besides) all libraries get the same token ids, labels, minibatches, first weights and
number of threads. Their outputs are compared first; nothing is timed if they differ.
Then rounds alternate, in an order that is rotated. A library's first round is a warm-up
and does not count. A token is a real one: padding is never counted. Results go to
``benchmarks/results/<level>/<case>.json``, where the level is that of the kernels on this
CPU (amx, avx512 and so on), and name the CPU's instructions; ``python
benchmarks/report.py`` makes tables and plots from them. ``--quick`` runs a few documents
once, to see whether everything works; its results go to a temporary folder unless
``--out`` names one.
"""

from __future__ import annotations

import argparse
import json
import tempfile

import backends
import cold_start
import growth
import mixed_lengths
import one_document
from cases import CASES, quick
from driver import (
    best_ways,
    chosen,
    heading,
    measure_peak,
    median_of,
    shares_of_peak,
    take_turns,
    workers_of,
    write_result,
)
from machine import usable_cores
from peers import LIBRARIES

OTHERS = {
    "mixed_lengths": mixed_lengths.run, "growth": growth.run, "cold_start": cold_start.run,
    "backends": backends.run,
}  # fmt: skip


def run_case(case, arguments, peak) -> dict:
    """Time all libraries of a case in turn; returns the contents of its results file."""
    with workers_of(case, arguments.threads, chosen(case, arguments.library)) as found:
        workers, skipped, differences = found
        if case.kind != "whole_job":
            take_turns(workers, 1)
        rounds = take_turns(workers, min(arguments.rounds, case.most_rounds))
        memory = {worker.library: worker.ask("peak")["peak_mib"] for worker in workers}
        info = {worker.library: worker.info for worker in workers}
    return {
        **heading(case, arguments.threads, peak),
        **summary(case, rounds, arguments.threads, peak),
        "peak_mib": memory,
        "settings": info,
        "left_out": skipped,
        "differences": differences,
        "rounds": rounds,
    }


def summary(case, rounds, threads, peak) -> dict:
    """Medians, ratios to fastlstm in the same round, best ways, shares of the peak.

    Ratios above 1 mean that the library takes longer than fastlstm.
    """
    names = list(rounds[0])
    medians = {name: median_of(rounds, name) for name in names}
    result = {
        "us_per_token": medians,
        "times_fastlstm": {name: median_of(rounds, name, "fastlstm") for name in names},
        "best": best_ways(medians),
    }
    if "fastlstm_bf16" in names:
        result["times_fastlstm_bf16"] = {
            name: median_of(rounds, name, "fastlstm_bf16")
            for name in names
            if LIBRARIES[name].precision == "bfloat16"
        }
    if case.kind == "whole_job":
        return result
    gflop = case.gflop_per_token()
    result["gflop_per_token"] = gflop
    result["gflop_per_second"] = {name: 1e6 * gflop / medians[name] for name in names}
    result["share_of_peak"] = shares_of_peak(case, medians, threads, peak)
    return result


def parse_arguments():
    names = [*CASES, *OTHERS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs="+", choices=names, default=names, metavar="NAME",
                        help=", ".join(names))  # fmt: skip
    parser.add_argument("--library", nargs="+", choices=LIBRARIES, metavar="NAME",
                        help="only these beside fastlstm: " + ", ".join(LIBRARIES))  # fmt: skip
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=min(2, usable_cores()))
    parser.add_argument("--quick", action="store_true", help="few documents, one round")
    parser.add_argument("--out", help="folder for the results, default benchmarks/results/<level>")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 1
        arguments.out = arguments.out or tempfile.mkdtemp(prefix="benchmarks-")
        print(f"results go to {arguments.out}")
    return arguments


def main():
    arguments = parse_arguments()
    peak = measure_peak(arguments.threads)
    for name in arguments.case:
        print(f"{name}:", flush=True)
        if name in OTHERS:
            result = OTHERS[name](arguments, peak)
        else:
            case = quick(CASES[name]) if arguments.quick else CASES[name]
            run = one_document.run if case.kind == "one_document" else run_case
            result = run(case, arguments, peak)
        shown = {key: result[key] for key in ("us_per_token", "times_fastlstm") if key in result}
        shown = shown or result["summary"]
        print(json.dumps(shown, indent=1), flush=True)
        write_result(arguments.out, name, result)


if __name__ == "__main__":
    main()
