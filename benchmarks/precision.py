"""Accuracy of bfloat16 products beside float32 ones, on the Large Movie Review data.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/precision.py

Both train with all parameters at their defaults on imdb/train.tsv.gz, once a seed, and
score imdb/test.tsv.gz once. Results go to ``benchmarks/results/precision.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from machine import (
    RESULTS,
    git_revision,
    processor_name,
    review_sets_folder,
    usable_cores,
    versions,
)

from fastlstm import LSTMSentimentClassifier
from fastlstm.data.tables import read_table

PRECISIONS = ("float32", "bfloat16")


def run(train, test, precision: str, seed: int) -> dict:
    """Test accuracy and seconds of one fit."""
    started = time.perf_counter()
    clf = LSTMSentimentClassifier(precision=precision, random_state=seed, missing="empty")
    clf.fit(train.texts, train.labels)
    seconds = time.perf_counter() - started
    return {"accuracy": float(clf.score(test.texts, test.labels)), "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    folder = review_sets_folder() / "imdb"
    train, test = (read_table(folder / f"{split}.tsv.gz") for split in ("train", "test"))
    runs = {name: [] for name in PRECISIONS}
    for seed in range(arguments.seeds):
        for name in PRECISIONS:
            runs[name].append(run(train, test, name, seed))
            print(seed, name, runs[name][-1], flush=True)
    means = {name: statistics.mean(r["accuracy"] for r in rows) for name, rows in runs.items()}
    results = {
        "processor": processor_name(),
        "cores": usable_cores(),
        "versions": versions(),
        "revision": git_revision(),
        "mean_accuracy": means,
        "difference": means["bfloat16"] - means["float32"],
        "runs": runs,
    }
    path = RESULTS / "precision.json"
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(means, indent=1))


if __name__ == "__main__":
    main()
