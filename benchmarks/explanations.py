"""How far explanations can be trusted, and what they cost, on public review sets.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/explanations.py [--set NAME ...]

For each set a classifier with defaults is fitted on the training file. Deletion and
insertion areas of each method are measured on 200 documents of the test file, whose labels
are not read, beside random order and LIME (needs ``pip install lime``) at the cost of
integrated gradients, counted in tokens, and with 1,000 samples. Seconds are those of
explaining 1,000 documents and of predicting them, in turn, and those of each of the 20
documents whose lengths are nearest to 200 tokens. "bundled" are the reviews of the package,
in three classes, for costs and gaps alone. Writes ``benchmarks/results/explanations.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings

import numpy as np
from accuracy_child import read
from machine import RESULTS, description

from fastlstm import LSTMSentimentClassifier, TruncationWarning, datasets
from fastlstm.explain import METHODS, faithfulness
from fastlstm.explain.documents import explain_documents, model_of

SETS = ("imdb", "chnsenticorp", "bundled")
ORDERS = {
    **{method: (method, {}) for method in METHODS},
    "lime": ("lime", {}),
    "lime, 1,000 samples": ("lime", {"lime_samples": 1000}),
    "random": ("random", {}),
}
N_DOCUMENTS, N_COSTED, ROUNDS = 200, 1000, 3
N_SINGLE, SINGLE_LENGTH = 20, 200


def areas(clf, texts) -> dict:
    """Mean areas of each order, and how often it beats LIME's."""
    found = {
        order: faithfulness(clf, texts, method, **options)
        for order, (method, options) in ORDERS.items()
    }
    lime = found["lime"].deletion_areas
    return {
        order: {
            "deletion": float(f.deletion_areas.mean()),
            "insertion": float(f.insertion_areas.mean()),
            "passes": float(np.mean(f.passes)),
            "better_than_lime": float(np.mean(f.deletion_areas < lime)),
            "error_of_difference": float(np.std(f.deletion_areas - lime) / len(lime) ** 0.5),
        }
        for order, f in found.items()
    }


def costs(clf, texts) -> dict:
    """Seconds of predicting and explaining, and gaps that are left."""
    model, texts, n_threads = model_of(clf, texts)
    clf.predict_proba(texts)  # the vocabulary is projected now, where it is kept at all
    target = clf.classes_[1]
    jobs = {
        "predict": lambda: clf.predict_proba(texts),
        "integrated_gradients": lambda: explain_documents(
            model, texts, target=target, n_threads=n_threads
        ),
        "lrp": lambda: explain_documents(model, texts, "lrp", target, n_threads),
    }
    seconds, explained = {name: [] for name in jobs}, {}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            started = time.perf_counter()
            found = job()
            seconds[name].append(time.perf_counter() - started)
            explained[name] = found
    explanations = explained["integrated_gradients"]
    gaps = _gaps(explanations)
    return {
        "documents": len(texts),
        "seconds_of_one": _single(model, texts, target, n_threads),
        "seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "passes": float(np.mean([e.passes for e in explanations])),
        "largest_gap": float(np.max(gaps)),
        "gaps_above_1_percent": int(np.sum(gaps > 0.0101)),
        "lrp_gaps": np.quantile(_gaps(explained["lrp"]), [0.5, 0.9, 1]).tolist(),
    }


def _gaps(explanations) -> np.ndarray:
    """Shares of the difference of the logits, which counts as 0.1 at least."""
    return np.array([
        abs(e.gap[0]) / max(abs(e.logits[0] - e.baseline[0]), 0.1) for e in explanations
    ])  # fmt: skip


def _texts(name: str):
    """Training and test documents."""
    if name == "bundled":
        return datasets.load_reviews(split="train"), datasets.load_reviews(split="test")
    return read(f"{name}/train"), read(f"{name}/test")


def _single(model, texts, target, n_threads) -> list[float]:
    """Median seconds of explaining each of the documents of about 200 tokens on its own."""
    distance = np.abs(model.encoder.read(texts).lengths - SINGLE_LENGTH)
    found = []
    for row in np.argsort(distance, kind="stable")[:N_SINGLE]:
        seconds = []
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            explain_documents(model, [texts[row]], target=target, n_threads=n_threads)
            seconds.append(time.perf_counter() - started)
        found.append(statistics.median(seconds[1:]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", nargs="+", default=list(SETS))
    parser.add_argument("--costs", action="store_true", help="the costs alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", TruncationWarning)
    path = RESULTS / "explanations.json"
    results = {"sets": {}}
    if path.exists():
        results = json.loads(path.read_text(encoding="utf-8"))
    for name in arguments.set:
        train, test = _texts(name)
        clf = LSTMSentimentClassifier(random_state=0).fit(train.texts, train.labels)
        rows = np.random.default_rng(0).permutation(len(test.texts))
        texts = [test.texts[row] for row in rows]
        found = dict(results["sets"].get(name, {}))
        if not arguments.costs and name != "bundled":
            found["areas"], found["measured"] = areas(clf, texts[:N_DOCUMENTS]), description()
        found["costs"] = {**costs(clf, texts[:N_COSTED]), **description()}
        print(name, json.dumps(found, indent=1), flush=True)
        results["sets"][name] = found
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
