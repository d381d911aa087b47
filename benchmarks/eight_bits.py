"""What ``quantize()`` changes: accuracy, probabilities and size, on development documents.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/eight_bits.py [--set NAME ...] [--seeds N ...]

The default classifier is fitted once for each set and seed. The same development documents as
those of ``accuracy.py --dev`` are then predicted three ways: by the classifier, by its rounded
weights in float32, and by whole numbers where this machine has such products. Results are
added to ``benchmarks/results/eight_bits.json`` after each fit.
"""

from __future__ import annotations

import argparse
import io
import json
import os
from pathlib import Path

import numpy as np
from accuracy_child import SETS, split
from machine import RESULTS, git_revision, processor_name, review_sets_folder, versions

from fastlstm import LSTMSentimentClassifier
from fastlstm.classifier.fitted import Scorer
from fastlstm.classifier.quantized import Change, rounding_errors
from fastlstm.core.threads import effective_n_jobs


def run(name: str, seed: int) -> dict:
    """One set with one seed."""
    train, dev = split(name, True)
    clf = LSTMSentimentClassifier(random_state=seed, missing="empty")
    clf.fit(train.texts, train.labels)
    small = clf.quantize()
    encoded = clf.encoder_.encode(dev.texts)
    scorers = {"float32": clf.scorer_, "rounded": Scorer(small.model_)}
    if small.scorer_.precision == "int8":
        scorers["int8"] = small.scorer_
    found = {
        way: scorer.probabilities(encoded, effective_n_jobs(None))
        for way, scorer in scorers.items()
    }
    right = {way: clf.classes_[p.argmax(axis=1)] == dev.labels for way, p in found.items()}
    changes = {way: Change.between(found["float32"], p)._asdict() for way, p in found.items()}
    return {
        "seed": seed,
        "n": len(dev.labels),
        "accuracy": {way: float(np.mean(each)) for way, each in right.items()},
        "changes": {way: change for way, change in changes.items() if way != "float32"},
        "rounding_errors": rounding_errors(clf.model_, small.model_),
        "bytes": [n_bytes(clf), n_bytes(small)],
        "revision": git_revision(),
        "processor": processor_name(),
    }


def n_bytes(clf) -> int:
    """Size of a classifier's file."""
    box = io.BytesIO()
    clf.save(box)
    return len(box.getbuffer())


def shown(name: str, answer: dict) -> str:
    """A run on one line."""
    changes = "; ".join(
        f"{way}: {change['n_changed']} of {answer['n']:,} other classes, probabilities by "
        f"{change['largest_change']:.4f} at most"
        for way, change in answer["changes"].items()
    )
    accuracy = ", ".join(f"{way} {value:.2%}" for way, value in answer["accuracy"].items())
    before, after = (size / 1e6 for size in answer["bytes"])
    seed = answer["seed"]
    return f"{name} seed {seed}: {accuracy}; {changes}; {before:.1f} MB to {after:.1f} MB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    os.environ.setdefault("FASTLSTM_REVIEW_SETS", str(review_sets_folder()))
    path = arguments.out / "eight_bits.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"sets": {}}
    for name in arguments.set:
        for seed in arguments.seeds:
            answer = run(name, seed)
            print(shown(name, answer), flush=True)
            others = [r for r in results["sets"].get(name, []) if r["seed"] != seed]
            results["sets"][name] = sorted([*others, answer], key=lambda r: r["seed"])
            results["versions"] = versions()
            path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
