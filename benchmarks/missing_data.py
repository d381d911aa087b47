"""How much is lost when tokens, columns or steps are missing?

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/missing_data.py [--part NAME ...] [--seeds N]

Of the test documents 0 to 90 % is taken away at random, and models that were trained on whole
documents are scored beside those that were trained with gaps of the same kind:

- ``tokens``: words of ``mr`` and ``airline`` become a word that no model knows. ``token_dropout``
  is 0, its default 0.2, or 0.5.
- ``columns``: cells of ``clothing``, title and text among them. One model was trained with 30 % of
  the cells of the training table taken away.
- ``steps``: rows of pixels of scikit-learn's digits (8 steps of 8 numbers), whose order tells the
  digit. ``step_dropout`` is 0 or 0.3. "zeros" and "last value" fill gaps before the same network
  sees them.

Beside them stand linear models of scikit-learn, which ignore unknown words or put means in gaps,
and gradient boosting, which has an answer for gaps of its own. The test file is read by one fit of
each row and seed, at all shares. Results go to ``benchmarks/results/missing_data.json``.
"""

from __future__ import annotations

import argparse
import json
import warnings

import numpy as np
import pandas as pd
from machine import RESULTS, description
from side_columns import COLUMNS, read
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, SequenceData

SHARES = [round(0.1 * n, 1) for n in range(10)]
IN_TRAINING = 0.3
GONE = "\u25a1"  # a word that occurs nowhere
PIXELS = {"max_epochs": 40, "early_stopping": False}


def without_words(texts, share: float, rng) -> list[str]:
    """The texts with a share of their words replaced by one that is not known."""
    return [
        " ".join(GONE if rng.random() < share else word for word in text.split()) for text in texts
    ]


def without_cells(table: pd.DataFrame, share: float, rng) -> pd.DataFrame:
    """The table with a share of its cells taken away."""
    gone = rng.random(table.shape) < share
    return table.astype(object).mask(gone, None)


def without_steps(sequences: np.ndarray, share: float, rng) -> np.ndarray:
    """Sequences, shape (n, n_steps, n_features), with NaN in a share of the steps."""
    found = sequences.copy()
    found[rng.random(found.shape[:2]) < share] = np.nan
    return found


def of_tokens(name: str, seed: int):
    """Test documents at each share, their labels, and each row's prediction of such."""
    train, test = read(name, "train"), read(name, "test")
    texts, y = train["text"].tolist(), train["label"].tolist()
    rows = {}
    for rate in (0.0, 0.2, 0.5):
        clf = LSTMSentimentClassifier(token_dropout=rate, random_state=seed).fit(texts, y)
        rows[f"token_dropout={rate:g}"] = clf.predict
    tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    rows["TF-IDF + LR"] = (
        make_pipeline(tfidf, LogisticRegression(C=10, max_iter=2000)).fit(texts, y).predict
    )
    documents = {
        share: without_words(test["text"], share, np.random.default_rng(seed)) for share in SHARES
    }
    return documents, test["label"].to_numpy(), rows


def of_columns(name: str, seed: int):
    """As ``of_tokens``, of a table."""
    names = ["title", "text", *COLUMNS]
    train, test = read(name, "train"), read(name, "test")
    X, y = train[names], train["label"].tolist()
    gaps = without_cells(X, IN_TRAINING, np.random.default_rng(100 + seed))
    rows = {}
    for row, given in (("trained on whole rows", X), ("trained with gaps", gaps)):
        clf = LSTMSentimentClassifier(
            text_column=["title", "text"], missing="empty", random_state=seed
        )
        rows[row] = clf.fit(given, y).predict

    def as_texts(table):
        parts = table[["title", "text"]].fillna("").astype(str)
        numbers = table["age"].astype(float)
        others = table[COLUMNS[1:]].fillna("").astype(str)
        return others.assign(all_text=parts["title"] + " " + parts["text"], age=numbers)

    linear = make_pipeline(
        ColumnTransformer([
            ("text", TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), "all_text"),
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
            ("category", OneHotEncoder(handle_unknown="ignore"), COLUMNS[1:]),
        ]),
        LogisticRegression(C=10, max_iter=2000),
    ).fit(as_texts(X), y)  # fmt: skip
    rows["TF-IDF + LR"] = lambda table: linear.predict(as_texts(table))
    documents = {
        share: without_cells(test[names], share, np.random.default_rng(seed)) for share in SHARES
    }
    return documents, test["label"].to_numpy(), rows


def last_value(sequences: np.ndarray) -> np.ndarray:
    """Gaps filled with what was seen last, or with 0 where nothing was."""
    found = sequences.copy()
    for step in range(found.shape[1]):
        before = found[:, step - 1] if step else np.zeros_like(found[:, 0])
        found[:, step] = np.where(np.isnan(found[:, step]), before, found[:, step])
    return found


def of_steps(name: str, seed: int):
    """As ``of_tokens``, of sequences of numbers."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    train, test, y, y_test = train_test_split(
        images, labels, test_size=0.3, stratify=labels, random_state=0
    )

    def network(fill, **settings):
        clf = LSTMClassifier(**PIXELS, **settings, random_state=seed)
        clf.fit(SequenceData(features=fill(train)), y)
        return lambda given: clf.predict(SequenceData(features=fill(given)))

    flat = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=2000))
    boosting = HistGradientBoostingClassifier(random_state=seed)
    rows = {
        "zeros": network(np.nan_to_num),
        "last value": network(last_value),
        "NaN": network(np.asarray),
        "NaN, step_dropout=0.3": network(np.asarray, step_dropout=IN_TRAINING),
    }
    gaps = without_steps(train, IN_TRAINING, np.random.default_rng(100 + seed))
    for title, model, given in (
        ("logistic regression, means", flat, train),
        ("gradient boosting, trained with gaps", boosting, gaps),
    ):
        model.fit(given.reshape(len(given), -1), y)
        rows[title] = lambda given, model=model: model.predict(given.reshape(len(given), -1))
    documents = {share: without_steps(test, share, np.random.default_rng(seed)) for share in SHARES}
    return documents, y_test, rows


PARTS = {
    "tokens": (of_tokens, ("mr", "airline")),
    "columns": (of_columns, ("clothing",)),
    "steps": (of_steps, ("digits",)),
}


def measure(part: str, seeds: range) -> dict:
    make, sets = PARTS[part]
    results = {}
    for name in sets:
        found: dict[str, list[list[float]]] = {}
        for seed in seeds:
            documents, y, rows = make(name, seed)
            for row, predict in rows.items():
                accuracy = [float(np.mean(predict(documents[share]) == y)) for share in SHARES]
                found.setdefault(row, []).append(accuracy)
                print(name, row, seed, np.round(accuracy, 3).tolist(), flush=True)
        results[name] = found
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    path = RESULTS / "missing_data.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"parts": {}}
    for part in arguments.part:
        known["parts"][part] = measure(part, range(arguments.seeds))
        result = {**description(), "shares": SHARES, **known}
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
