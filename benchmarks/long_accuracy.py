"""Accuracy on long documents: what to read of them, and how.

    python benchmarks/long_accuracy.py [--dev] [--set imdb joined] [--seeds 0 1 2]

``imdb``: the classifier is fitted on the reviews of the training set and scored on those of the
test set that have more than 600 tokens. ``joined``: documents are made of ten reviews of clothing
with one of a film (imdb, of 150 to 300 tokens) in the first, the middle or the last place, whose
label the document has. The documents of the test are made of the sets' test parts, each film
review in all three places. Rows differ in what the networks read: the first 600 tokens, the last,
both ends, or all of it in segments that begin anew, with states that are handed on ("carried", or
"truncated": without their gradients), or with attention over all of it; the default decides by
the lengths of the training documents. One network each, and the linear part, which always reads
all of it. With ``--dev`` nothing is read of
the test sets: imdb's training set is cut in halves by film, each scored by a model of the other
half, and joined documents are made of such halves as well. Results go to
``benchmarks/results/long_accuracy[_dev].json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
import zlib
from typing import NamedTuple

import numpy as np
from accuracy_child import Table, read
from machine import RESULTS, description

SETS = ("imdb", "joined")
_CUT, _ALL = {"max_length": 600, "pooling": "max"}, {"max_length": None}
ROWS = {
    "head": {**_CUT, "truncation": "head"},
    "tail": {**_CUT, "truncation": "tail"},
    "head_tail": _CUT,
    "all, fresh": {**_ALL, "pooling": "max"},
    "all, carried": {**_ALL, "pooling": "max", "segment_state": "carried"},
    "all, truncated": {**_ALL, "pooling": "max", "segment_state": "truncated"},
    "all, attention": {**_ALL, "pooling": "attention"},
    "all, carried, attention": {**_ALL, "pooling": "attention", "segment_state": "carried"},
    "default": {},
}
LONG = 600
N_BESIDE, N_TRAIN, N_SCORED = 10, 4000, 500
PLACES = ("start", "middle", "end")
# Documents are few and long.
OF_JOINED = {"batch_size": 32, "max_epochs": 6}
DECISIVE = (150, 300)


class Fold(NamedTuple):
    """What to fit on, and what to score: texts, labels, and a name for the part of each."""

    train: Table
    texts: list[str]
    labels: np.ndarray
    parts: np.ndarray


def of_imdb(dev: bool, seed: int) -> list[Fold]:
    """Reviews, of which the long ones are scored."""
    from fastlstm.text.tokenizers import get_tokenizer

    tokenize = get_tokenizer()

    def fold(train: Table, scored: Table) -> Fold:
        rows = [row for row, text in enumerate(scored.texts) if len(tokenize(text)) > LONG]
        texts = [scored.texts[row] for row in rows]
        return Fold(train, texts, scored.labels[rows], np.full(len(rows), "long"))

    train = read("imdb/train", "movie")
    if not dev:
        return [fold(train, read("imdb/test"))]
    half = np.array([zlib.crc32(film.encode()) % 2 for film in train.group])
    parts = []
    for number in (0, 1):
        rows = np.flatnonzero(half == number)
        parts.append(Table([train.texts[row] for row in rows], train.labels[rows], None))
    return [fold(parts[0], parts[1]), fold(parts[1], parts[0])]


def of_joined(dev: bool, seed: int) -> list[Fold]:
    """Documents of reviews of clothing, with one of a film that decides."""
    from fastlstm.text.tokenizers import get_tokenizer

    rng, tokenize = np.random.default_rng(seed), get_tokenizer()
    films, test = read("imdb/train", "movie"), read("imdb/test")
    half = np.array([zlib.crc32(film.encode()) % 2 for film in films.group])
    beside = {"train": read("clothing/train").texts, "scored": read("clothing/test").texts}
    decisive = {"train": (films, np.ones(len(half), dtype=bool)),
                "scored": (test, np.ones(len(test.texts), dtype=bool))}  # fmt: skip
    if dev:
        beside["scored"] = read("clothing/dev").texts
        decisive = {"train": (films, half == 0), "scored": (films, half == 1)}

    def document(part: str, text: str, place: str) -> str:
        others = beside[part]
        rows = rng.choice(len(others), N_BESIDE, replace=False)
        texts = [others[row] for row in rows]
        texts.insert({"start": 0, "middle": N_BESIDE // 2, "end": N_BESIDE}[place], text)
        return "\n".join(texts)

    def reviews(part: str, n: int) -> tuple[list[str], np.ndarray]:
        table, among = decisive[part]
        low, high = DECISIVE
        found: list[int] = []
        for row in rng.permutation(np.flatnonzero(among)):
            if len(found) < n and low <= len(tokenize(table.texts[row])) <= high:
                found.append(int(row))
        return [table.texts[row] for row in found], table.labels[found]

    texts, labels = reviews("train", N_TRAIN)
    texts = [document("train", text, PLACES[n % 3]) for n, text in enumerate(texts)]
    train = Table(texts, labels, None)
    scored = zip(*reviews("scored", N_SCORED), strict=True)
    made = [
        (document("scored", text, place), label, place)
        for text, label in scored
        for place in PLACES
    ]
    texts, labels, places = map(list, zip(*made, strict=True))
    return [Fold(train, texts, np.array(labels), np.array(places))]


MAKE = {"imdb": of_imdb, "joined": of_joined}


def score(name: str, folds: list[Fold], options: dict, seed: int) -> dict[str, float]:
    """Accuracy of one row, of each part and of all."""
    from fastlstm import LSTMSentimentClassifier

    right: dict[str, list[bool]] = {}
    for fold in folds:
        settings = {**(OF_JOINED if name == "joined" else {}), **options}
        clf = LSTMSentimentClassifier(n_estimators=1, random_state=seed, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clf.fit(fold.train.texts, fold.train.labels)
            hits = clf.predict(fold.texts) == fold.labels
        for part, hit in zip(fold.parts.tolist(), hits.tolist(), strict=True):
            right.setdefault(part, []).append(hit)
    every = [hit for hits in right.values() for hit in hits]
    found = {part: float(np.mean(hits)) for part, hits in right.items()}
    return {**found, "all": float(np.mean(every)), "n": len(every)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--set", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    path = RESULTS / f"long_accuracy{'_dev' if arguments.dev else ''}.json"
    result = {**description(), "sets": {}}
    if path.exists():
        result["sets"] = json.loads(path.read_text(encoding="utf-8"))["sets"]
    for name in arguments.set:
        of_set = result["sets"].setdefault(name, {})
        for seed in arguments.seeds:
            folds = MAKE[name](arguments.dev, seed)
            for row in arguments.rows:
                started = time.perf_counter()
                found = score(name, folds, ROWS[row], seed)
                of_set.setdefault(row, {})[str(seed)] = found
                seconds = time.perf_counter() - started
                shown = {part: round(value, 4) for part, value in found.items()}
                print(name, seed, row, shown, f"{seconds:.0f} s", flush=True)
                path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        for row, of_seeds in of_set.items():
            mean = statistics.mean(found["all"] for found in of_seeds.values())
            print(f"{name}, {row}: {100 * mean:.2f}", flush=True)


if __name__ == "__main__":
    main()
