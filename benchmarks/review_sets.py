"""Train and evaluate on labelled review sets with the command's defaults.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/review_sets.py

``FOLDER`` holds ``NAME/{train,dev,test}.tsv.gz``. For each set this runs
``fastlstm train`` (with ``--valid`` where there is a dev file) and ``fastlstm
evaluate`` on the test file, once, and writes ``benchmarks/results/review_sets.json``.
With ``--readme`` it puts the tables made from the results files into README.md.
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
        "tfidf_test_accuracy": tfidf_score(folder).accuracy,
        "lstm_seconds": trained["scores"]["lstm"]["seconds"],
        "command_seconds": seconds,
        "epochs": trained["epochs"],
        "truncated_share": trained["truncated_share"],
    }


def tfidf_score(folder: Path):
    """The command's TF-IDF + logistic regression, fitted on train and scored on test."""
    from fastlstm.data.tables import read_table
    from fastlstm.estimator.baselines import tfidf_baseline

    train, test = (read_table(folder / f"{split}.tsv.gz") for split in ("train", "test"))
    return tfidf_baseline(train.texts, train.labels, test.texts, test.labels)


def speed_table(results: dict) -> str:
    names = {
        "fastlstm": "fastlstm",
        "torch": "PyTorch, Adam",
        "torch_sparse": "PyTorch, SparseAdam",
    }
    lines = [
        "| | us a token, median | time beside fastlstm | peak memory, MiB |",
        "|---|---|---|---|",
    ]
    for key, name in names.items():
        lines.append(
            f"| {name} | {results['us_per_token_median'][key]:.1f} "
            f"| {results['times_fastlstm_median'][key]:.2f} x | {results['peak_mib'][key]:.0f} |"
        )
    return "\n".join(lines)


def table(results: dict) -> str:
    lines = [
        "| set | to train on | to test on | TF-IDF + LR | LSTM | LSTM macro-F1 | training, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in results["sets"].items():
        lines.append(
            f"| {name} | {row['n_train']:,} | {row['n_test']:,} | {row['tfidf_test_accuracy']:.1%} "
            f"| {row['test_accuracy']:.1%} "
            f"| {row['test_macro_f1']:.1%} | {row['lstm_seconds']:.0f} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readme", action="store_true", help="only rewrite README.md's tables")
    arguments = parser.parse_args()
    if arguments.readme:
        text = README.read_text(encoding="utf-8")
        for name, make, path in (
            ("review sets", table, RESULTS),
            ("speed", speed_table, FOLDER / "results" / "seed_training.json"),
        ):
            new = make(json.loads(path.read_text(encoding="utf-8")))
            marked = re.compile(f"<!-- {name} -->.*?<!-- end -->", re.DOTALL)
            text = marked.sub(f"<!-- {name} -->\n{new}\n<!-- end -->", text)
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
