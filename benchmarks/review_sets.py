"""Train and evaluate on labelled review sets with the command's defaults.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/review_sets.py

``FOLDER`` holds ``NAME/{train,dev,test}.tsv.gz``. For each set this runs
``fastlstm train`` (with ``--valid`` where there is a dev file) and ``fastlstm
evaluate`` on the test file, once, and writes ``benchmarks/results/review_sets.json``.
``python benchmarks/report.py`` puts the table made from it into README.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import (
    RESULTS,
    git_revision,
    processor_name,
    review_sets_folder,
    usable_cores,
    versions,
)
from report import review_sets_table

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


def main():
    root = review_sets_folder()
    results = {
        "processor": processor_name(), "cores": usable_cores(),
        "versions": versions(), "revision": git_revision(), "sets": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as models:
        for name in SETS:
            results["sets"][name] = run_set(root / name, Path(models))
            print(name, results["sets"][name], flush=True)
    path = RESULTS / "review_sets.json"
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(review_sets_table(RESULTS))


if __name__ == "__main__":
    main()
