"""Few documents and a skew of 9 to 1: the defaults beside the linear model, by macro-F1.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/small_data.py

Draws training sets of 500 documents from a training file, nine tenths of them of one class,
and scores on the dev file. Writes ``benchmarks/results/small_data.json``.
"""

from __future__ import annotations

import argparse
import json
import warnings

import numpy as np
from accuracy_child import Table, default, read, tfidf
from machine import RESULTS, description

from fastlstm.evaluation import macro_f1

SETS = ("airline", "mr", "zh_waimai")
SIZE, SHARE = 500, 0.9


def draw(train: Table, seed: int) -> Table:
    """Documents of which ``SHARE`` are of the most frequent class, the others of the rest."""
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(train.labels, return_counts=True)
    largest = classes[counts.argmax()]
    others = [label for label in classes if label != largest]
    wanted = {label: round(SIZE * (1 - SHARE) / len(others)) for label in others}
    wanted[largest] = SIZE - sum(wanted.values())
    rows = np.concatenate([
        rng.choice(np.flatnonzero(train.labels == label), n, replace=False)
        for label, n in wanted.items()
    ])  # fmt: skip
    return Table([train.texts[i] for i in rows], train.labels[rows], None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    result = {**description(), "documents": SIZE, "share_of_one_class": SHARE, "sets": {}}
    for name in SETS:
        train, dev = read(f"{name}/train"), read(f"{name}/dev")
        classes = np.unique(train.labels)
        scores: dict[str, list[float]] = {"tfidf": [], "default": []}
        for seed in range(arguments.draws):
            part = draw(train, seed)
            found = {
                "tfidf": tfidf(part, dev.texts, seed, name),
                "default": classes[default(part, dev.texts, seed, name).argmax(axis=1)],
            }
            for row, predicted in found.items():
                scores[row].append(macro_f1(dev.labels, predicted))
        result["sets"][name] = {"n_classes": len(classes), "macro_f1": scores}
        print(name, {row: f"{np.mean(values):.3f}" for row, values in scores.items()}, flush=True)
    path = RESULTS / "small_data.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
