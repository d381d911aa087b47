"""Columns and vectors beside texts: are they worth it, and do useless ones do harm?

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/side_columns.py [--set NAME ...] [--dev]

``clothing``: the review alone, with its title, and with the shopper's age and the garment's
division, department and class beside it; and TF-IDF with the same columns in scikit-learn's
ColumnTransformer. ``mosi``: a transcript alone, and with vectors of the voice and the face.
``mr_noise`` and ``airline_noise``: the text alone, and with 20 columns of noise. Three seeds
each; what is compared with the text alone also by McNemar's exact test, on all seeds'
predictions. ``--dev`` scores on the dev file, or on a part of the training file that shares
no video with the rest, and writes nothing. Without it the test file is read once for each
row and seed, and results go to ``benchmarks/results/side_columns.json``.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import numpy as np
import pandas as pd
from machine import RESULTS, description, review_sets_folder
from scipy.stats import binomtest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastlstm import LSTMSentimentClassifier
from fastlstm.evaluation import macro_f1

COLUMNS = ["age", "division", "department", "class_name"]
SEEDS = (0, 1, 2)
N_NOISE = 20


def read(name: str, part: str) -> pd.DataFrame:
    path = review_sets_folder() / name / f"{part}.tsv.gz"
    return pd.read_csv(path, sep="\t", quoting=3, keep_default_na=False)


def split(name: str, dev: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is fitted, and what is scored."""
    train = with_vectors(name, "train")
    if not dev:
        return train, with_vectors(name, "test")
    if name != "mosi":
        return train, read(name, "dev")
    rows, held_out = next(
        GroupShuffleSplit(1, test_size=0.25, random_state=0).split(train, groups=train["video"])
    )
    return train.iloc[rows], train.iloc[held_out]


def with_vectors(name: str, part: str) -> pd.DataFrame:
    """A part of a set; of mosi with a vector in each row."""
    frame = read(name, part)
    if name == "mosi":
        with np.load(review_sets_folder() / name / f"{part}_features.npz") as found:
            frame["vector"] = [*np.hstack([found["audio"], found["video"]])]
    return frame


def fitted(train, test, names, seed, vectors=False):
    """Predictions of the default model with columns of these names, and seconds of its fit."""
    clf, started = LSTMSentimentClassifier(random_state=seed), time.perf_counter()
    beside = [np.stack(part["vector"]) if vectors else None for part in (train, test)]
    X = train[names[0]] if len(names) == 1 else train[names]
    clf.fit(X, train["label"].tolist(), X_side=beside[0])
    seconds = time.perf_counter() - started
    X = test[names[0]] if len(names) == 1 else test[names]
    return clf.predict(X, X_side=beside[1]), seconds


def tfidf(train, test):
    """TF-IDF of title and text, and the columns, into logistic regression."""
    frames = [part.assign(all_text=part["title"] + " " + part["text"]) for part in (train, test)]
    model = make_pipeline(
        ColumnTransformer([
            ("text", TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), "all_text"),
            ("number", StandardScaler(), ["age"]),
            ("category", OneHotEncoder(handle_unknown="ignore"), COLUMNS[1:]),
        ]),
        LogisticRegression(C=10, max_iter=2000),
    )  # fmt: skip
    return model.fit(frames[0], train["label"]).predict(frames[1]), 0.0


def with_noise(frames, seed):
    """The frames with columns that tell nothing."""
    rng = np.random.default_rng(seed)
    names = [f"noise {number}" for number in range(N_NOISE)]
    return names, [
        frame.assign(**{name: rng.standard_normal(len(frame)) for name in names})
        for frame in frames
    ]


def rows_of(name: str, train, test, seed: int):
    """Name of each row -> a call that gives predictions and seconds."""
    text = ["text"]
    if name == "clothing":
        return {
            "text": lambda: fitted(train, test, text, seed),
            "title and text": lambda: fitted(train, test, ["title", "text"], seed),
            "with columns": lambda: fitted(train, test, ["title", "text", *COLUMNS], seed),
            "tfidf with columns": lambda: tfidf(train, test),
        }
    if name == "mosi":
        return {
            "text": lambda: fitted(train, test, text, seed),
            "with voice and face": lambda: fitted(train, test, text, seed, vectors=True),
        }
    names, (noisy, noisy_test) = with_noise([train, test], seed)
    return {
        "text": lambda: fitted(train, test, text, seed),
        "with noise": lambda: fitted(noisy, noisy_test, [*text, *names], seed),
    }


def add_p_values(found: dict[str, dict], right: dict[str, list[np.ndarray]]) -> None:
    """McNemar's exact test of each row against that of the text alone, on all seeds."""
    for row, entry in found.items():
        if row != "text":
            one, other = np.concatenate(right[row]), np.concatenate(right["text"])
            gains, losses = int(np.sum(one & ~other)), int(np.sum(other & ~one))
            entry["mcnemar_p"] = float(binomtest(gains, gains + losses).pvalue)


def measure(name: str, dev: bool) -> dict:
    train, test = split(name.removesuffix("_noise"), dev)
    y = test["label"].to_numpy()
    right: dict[str, list[np.ndarray]] = {}
    found: dict[str, dict] = {}
    for seed in SEEDS:
        for row, run in rows_of(name, train, test, seed).items():
            predicted, seconds = run()
            right.setdefault(row, []).append(predicted == y)
            entry = found.setdefault(row, {"accuracy": [], "macro_f1": [], "seconds": []})
            entry["accuracy"].append(float(np.mean(predicted == y)))
            entry["macro_f1"].append(macro_f1(y, predicted))
            entry["seconds"].append(seconds)
    add_p_values(found, right)
    for row, entry in found.items():
        print(name, row, {key: np.round(values, 4).tolist() for key, values in entry.items()},
              flush=True)  # fmt: skip
    return {"n_train": len(train), "n_test": len(test), "rows": found}


def vectors_alone() -> dict:
    """Logistic regression on mosi's vectors: on training videos left out, and on the test file."""
    train, test = read("mosi", "train"), read("mosi", "test")
    parts = [
        np.load(review_sets_folder() / "mosi" / f"{p}_features.npz") for p in ("train", "test")
    ]
    found = {}
    for kind in ("audio", "video"):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=3000))
        left_out = cross_val_score(
            model, parts[0][kind], train["label"], groups=train["video"], cv=GroupKFold(5)
        )
        model.fit(parts[0][kind], train["label"])
        found[kind] = {
            "training_videos_left_out": float(left_out.mean()),
            "test": float(model.score(parts[1][kind], test["label"])),
        }
    print("mosi, vectors alone", found, flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sets = ("clothing", "mosi", "mr_noise", "airline_noise")
    parser.add_argument("--set", nargs="+", choices=sets, default=sets)
    parser.add_argument("--dev", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    path = RESULTS / "side_columns.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"sets": {}}
    for name in arguments.set:
        known["sets"][name] = measure(name, arguments.dev)
        if name == "mosi" and not arguments.dev:
            known["sets"][name]["vectors_alone"] = vectors_alone()
        if not arguments.dev:
            path.write_text(
                json.dumps({**description(), **known}, indent=1) + "\n", encoding="utf-8"
            )


if __name__ == "__main__":
    main()
