"""Accuracy on public review sets: fastlstm with its defaults beside linear models and fastText.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/accuracy.py [--set NAME ...] [--row NAME ...]

``FOLDER`` holds ``NAME/{train,dev,test}.tsv.gz``. Every row of every set runs in a process
of its own (``accuracy_child.py``), with three seeds where it has one, is fitted on the
training file alone, and reads the test file once. Results are added to
``benchmarks/results/accuracy.json`` after each run; what is there is not run again unless
``--again`` is given. ``python benchmarks/report.py`` makes the tables.

``--dev`` scores on the dev file, or on a part of the training file that shares no film or
video with the rest, and writes ``accuracy_dev.json``: defaults were chosen with that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from accuracy_child import ROWS, SETS
from machine import (
    FOLDER,
    RESULTS,
    git_revision,
    processor_name,
    review_sets_folder,
    usable_cores,
    versions,
)
from scipy.stats import binomtest

LINEAR = ("tfidf", "nb_lr")


def run(name: str, row: str, seed: int, dev: bool) -> dict:
    """One row of one set with one seed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run.json"
        command = [sys.executable, str(FOLDER / "accuracy_child.py"), name, row, str(seed)]
        subprocess.run([*command, str(out), *(["--dev"] if dev else [])], check=True)
        return json.loads(out.read_text(encoding="utf-8"))


def add(results: dict, name: str, row: str, answer: dict) -> None:
    """Put a run's answer in its place."""
    of_set = results["sets"].setdefault(name, {"rows": {}})
    of_set.update({key: answer.pop(key) for key in ("n_train", "n_test", "n_leaked")})
    runs = of_set["rows"].setdefault(row, [])
    runs[:] = sorted([r for r in runs if r["seed"] != answer["seed"]] + [answer],
                     key=lambda r: r["seed"])  # fmt: skip
    of_set["mcnemar"] = mcnemar(of_set)


def mcnemar(of_set: dict) -> dict | None:
    """McNemar's exact test of each row's runs against the better linear model."""
    rows = of_set["rows"]
    linear = [row for row in LINEAR if row in rows]
    if not linear:
        return None
    better = max(linear, key=lambda row: rows[row][0]["accuracy"])
    baseline = right(rows[better][0])
    p = {row: [_p_value(right(r), baseline) for r in runs]
         for row, runs in rows.items() if row not in (*LINEAR, "majority")}  # fmt: skip
    return {"against": better, "p": p}


def right(answer: dict) -> np.ndarray:
    """Which documents a run classified right."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(answer["right"]), np.uint8))
    return bits[: answer["n"]].astype(bool)


def _p_value(one, other) -> float:
    only_one, only_other = int(np.sum(one & ~other)), int(np.sum(other & ~one))
    if only_one + only_other == 0:
        return 1.0
    return float(binomtest(only_one, only_one + only_other).pvalue)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--row", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--again", action="store_true", help="replace runs that are there")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    os.environ.setdefault("FASTLSTM_REVIEW_SETS", str(review_sets_folder()))
    path = arguments.out / ("accuracy_dev.json" if arguments.dev else "accuracy.json")
    results = {"sets": {}}
    if path.exists():
        results = json.loads(path.read_text(encoding="utf-8"))
    for name in arguments.set:
        for row in arguments.row:
            for seed in arguments.seeds if ROWS[row].has_seed else arguments.seeds[:1]:
                there = results["sets"].get(name, {"rows": {}})["rows"].get(row, [])
                if not arguments.again and any(r["seed"] == seed for r in there):
                    continue
                answer = run(name, row, seed, arguments.dev)
                if "skipped" in answer:
                    print(f"{name} {row}: {answer['skipped']}", flush=True)
                    break
                print(
                    f"{name} {row} seed {seed}: {answer['accuracy']:.2%}, "
                    f"macro-F1 {answer['macro_f1']:.2%}, {answer['seconds']:.0f} s, "
                    f"{answer['peak_mib']:.0f} MiB", flush=True,
                )  # fmt: skip
                answer.update(
                    revision=git_revision(), processor=processor_name(), cores=usable_cores()
                )
                add(results, name, row, answer)
                results["versions"] = versions()
                path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
