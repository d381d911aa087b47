"""One row of ``accuracy.py``: fits one classifier on one review set and scores it.

python benchmarks/accuracy_child.py SET ROW SEED OUT.json [--dev]
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import peak_rss_mib, review_sets_folder

# Name -> column whose values training and development share none of, for sets without dev.
SETS = {
    "imdb": "movie", "mr": None, "sst2": None, "chnsenticorp": None, "zh_waimai": None,
    "airline": None, "clothing": None, "mosi": "video", "umsab_french": None,
    "umsab_arabic": None,
}  # fmt: skip

# Further reviews without labels, for these sets: files of imdb.
UNLABELLED = {
    "imdb": ("imdb/unsup",),
    "mr": ("imdb/train", "imdb/unsup"),
    "sst2": ("imdb/train", "imdb/unsup"),
}


class NotApplicableError(Exception):
    """A row is nothing for this set."""


class Table(NamedTuple):
    texts: list[str]
    labels: np.ndarray
    group: np.ndarray | None


def read(name: str, group: str | None = None) -> Table:
    """A file of a review set; ``group`` names a further column."""
    path = review_sets_folder() / f"{name}.tsv.gz"
    csv.field_size_limit(10**9)
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        rows = list(csv.reader((line.rstrip("\n") for line in lines), delimiter="\t",
                               quoting=csv.QUOTE_NONE))  # fmt: skip
    header, rows = rows[0], rows[1:]
    columns = {column: [row[i] for row in rows] for i, column in enumerate(header)}
    groups = None if group is None else np.array(columns[group])
    return Table(columns["text"], np.array(columns["label"]), groups)


def split(name: str, dev: bool) -> tuple[Table, Table]:
    """What to train on, and what to score on."""
    group = SETS[name]
    train = read(f"{name}/train", group)
    if not dev:
        return train, read(f"{name}/test")
    if group is None:
        return train, read(f"{name}/dev")
    held = np.array([zlib.crc32(value.encode()) % 5 == 0 for value in train.group])

    def part(rows):
        rows = np.flatnonzero(rows)
        return Table([train.texts[i] for i in rows], train.labels[rows], None)

    return part(~held), part(held)


# -- the rows: (training table, texts to score, seed, set) -> labels, or class probabilities


def majority(train, texts, seed, name):
    values, counts = np.unique(train.labels, return_counts=True)
    return np.full(len(texts), values[counts.argmax()])


def tfidf(train, texts, seed, name):
    from fastlstm.estimator.baselines import tfidf_model

    return tfidf_model(random_state=seed).fit(train.texts, train.labels).predict(texts)


def nb_lr(train, texts, seed, name):
    """The linear part without a network."""
    from fastlstm.classifier.linear_fit import fit_linear_part
    from fastlstm.kernels.registry import load_backend
    from fastlstm.network.losses import predicted_class
    from fastlstm.text.encoder import TextEncoder, TextOptions

    options = TextOptions(max_features=None, max_length=None)
    encoder, encoded = TextEncoder.learn(train.texts, options, 2)
    classes, y = np.unique(train.labels, return_inverse=True)
    linear, _ = fit_linear_part(
        load_backend("auto"), encoded.whole, len(encoder.vocabulary), y, np.ones(len(y)),
        len(classes),
    )  # fmt: skip
    return classes[predicted_class(linear.logits(encoder.read(texts)))]


def fasttext(train, texts, seed, name):
    """With the settings of fastText's tutorial on classification, tokens as fastlstm's."""
    import fasttext as library

    from fastlstm.text.tokenizers import get_tokenizer

    tokenize = get_tokenizer("auto", True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        with path.open("w", encoding="utf-8") as file:
            for text, label in zip(train.texts, train.labels, strict=True):
                file.write(f"__label__{label} {' '.join(tokenize(text))}\n")
        model = library.train_supervised(
            str(path), lr=0.5, epoch=25, wordNgrams=2, thread=2, seed=seed, verbose=0
        )
    found = model.predict([" ".join(tokenize(text)) for text in texts])[0]
    return np.array([labels[0].removeprefix("__label__") for labels in found])


def lstm(train, texts, seed, name):
    return _fastlstm(train, texts, seed, wide=None)


def default(train, texts, seed, name):
    return _fastlstm(train, texts, seed)


def bfloat16(train, texts, seed, name):
    from fastlstm import BackendError

    try:
        return _fastlstm(train, texts, seed, precision="bfloat16")
    except BackendError as error:
        raise NotApplicableError(str(error)) from error


def unlabelled(train, texts, seed, name):
    """With further reviews whose labels it does not see."""
    if name not in UNLABELLED:
        raise NotApplicableError(f"no further reviews for {name}")
    others = [text for file in UNLABELLED[name] for text in read(file).texts]
    return _fastlstm(train, texts, seed, others)


def _fastlstm(train, texts, seed, others=None, **options):
    from fastlstm import LSTMSentimentClassifier

    clf = LSTMSentimentClassifier(random_state=seed, missing="empty", **options)
    return clf.fit(train.texts, train.labels, X_unlabelled=others).predict_proba(texts)


class Row(NamedTuple):
    title: str
    run: Callable
    has_seed: bool


ROWS = {
    "majority": Row("most frequent class", majority, False),
    "tfidf": Row("TF-IDF + LR", tfidf, False),
    "nb_lr": Row("NB-LR", nb_lr, False),
    "fasttext": Row("fastText", fasttext, True),
    "lstm": Row("LSTM alone", lstm, True),
    "default": Row("fastlstm", default, True),
    "bfloat16": Row("fastlstm, bfloat16", bfloat16, True),
    "unlabelled": Row("fastlstm, further texts", unlabelled, True),
}


def answer(name: str, row: str, seed: int, dev: bool) -> dict:
    """What ``accuracy.py`` keeps of a run."""
    from fastlstm.evaluation import expected_calibration_error, macro_f1

    train, test = split(name, dev)
    started = time.perf_counter()
    try:
        found = ROWS[row].run(train, test.texts, seed, name)
    except (ImportError, NotApplicableError) as error:
        return {"skipped": str(error)}
    seconds = time.perf_counter() - started
    classes = np.unique(train.labels)
    predicted = found if found.ndim == 1 else classes[found.argmax(axis=1)]
    right = predicted == test.labels
    known = set(train.texts)
    new = np.array([text not in known for text in test.texts])
    result = {
        "n_train": len(train.texts), "n_test": len(right), "n_leaked": int(np.sum(~new)),
        "seed": seed, "n": len(right), "accuracy": float(right.mean()),
        "accuracy_of_new": float(right[new].mean()),
        "macro_f1": macro_f1(test.labels, predicted),
        "seconds": seconds, "peak_mib": peak_rss_mib(), "right": np.packbits(right).tobytes().hex(),
    }  # fmt: skip
    if found.ndim == 2:
        result["calibration_error"] = expected_calibration_error(found.max(axis=1), right)
    return result


def main():
    name, row, seed, out, *dev = sys.argv[1:]
    result = answer(name, row, int(seed), bool(dev))
    Path(out).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
