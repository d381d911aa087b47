"""Train and evaluate on labelled review sets with the command's defaults.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/review_sets.py

``FOLDER`` holds ``NAME/{train,dev,test}.tsv.gz``. For each set this runs
``fastlstm train`` (with ``--valid`` where there is a dev file) and ``fastlstm
evaluate`` on the test file, once, and writes ``benchmarks/results/review_sets.json``.
With ``--readme`` it puts the table made from that file into README.md instead.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results" / "review_sets.json"
README = FOLDER.parent / "README.md"
SETS = ("mr", "sst2", "airline", "chnsenticorp", "imdb")
_MARKED = re.compile(r"<!-- review sets -->.*<!-- end -->", re.DOTALL)


def command(*arguments) -> dict:
    line = [sys.executable, "-m", "fastlstm", *map(str, arguments), "--json"]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def run_set(folder: Path, models: Path) -> dict:
    model = models / f"{folder.name}.fastlstm"
    dev = folder / "dev.tsv.gz"
    valid = ["--valid", dev] if dev.exists() else []
    started = time.perf_counter()
    trained = command("train", folder / "train.tsv.gz", *valid, "--out", model)
    seconds = time.perf_counter() - started
    tested = command("evaluate", model, folder / "test.tsv.gz")
    return {
        "n_train": trained["n_train"],
        "n_test": tested["n"],
        "test_accuracy": tested["accuracy"],
        "test_macro_f1": tested["macro_f1"],
        "lstm_seconds": trained["scores"]["lstm"]["seconds"],
        "command_seconds": seconds,
        "epochs": trained["epochs"],
        "truncated_share": trained["truncated_share"],
    }


def table(results: dict) -> str:
    lines = [
        "| set | training documents | test documents | accuracy | macro-F1 | training, s |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results["sets"].items():
        lines.append(
            f"| {name} | {row['n_train']:,} | {row['n_test']:,} | {row['test_accuracy']:.1%} "
            f"| {row['test_macro_f1']:.1%} | {row['lstm_seconds']:.0f} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readme", action="store_true", help="only rewrite README.md's table")
    arguments = parser.parse_args()
    if arguments.readme:
        text = README.read_text(encoding="utf-8")
        new = table(json.loads(RESULTS.read_text(encoding="utf-8")))
        text = _MARKED.sub(lambda _: f"<!-- review sets -->\n{new}\n<!-- end -->", text)
        README.write_text(text, encoding="utf-8")
        return
    from compare import git_revision, processor_name, versions

    root = Path(os.environ["FASTLSTM_REVIEW_SETS"])
    results = {
        "processor": processor_name(), "cores": len(os.sched_getaffinity(0)),
        "versions": versions(), "revision": git_revision(), "sets": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as models:
        for name in SETS:
            results["sets"][name] = run_set(root / name, Path(models))
            print(name, results["sets"][name], flush=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
