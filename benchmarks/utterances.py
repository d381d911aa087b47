"""The utterances of a video, one after the other: does it help to know the others?

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/utterances.py [--dev]

``mosi`` has 93 videos of a person who speaks of a film, cut into utterances that are each positive
or negative. Rows:

- ``text``: each utterance alone, by the default ``LSTMSentimentClassifier``.
- ``text in its video``: ``LSTMClassifier(targets="steps")`` on the videos, whose steps have one
  feature, the score of that classifier. Of training videos the scores come from classifiers that
  were fitted without the video (5 folds).
- ``text and voice in its video``: a second score, of a classifier that reads the vector of the
  voice beside the text.
- ``published ... vectors in their video``: steps with the vectors that were published with Poria
  et al. (2017), who report 78.1 % of the text and 80.3 % of all. They were made by networks that
  had learned the training labels.

Three seeds each, and McNemar's exact test against ``text`` on all seeds' predictions. ``--dev``
scores on training videos, 16 of 62 that are left out, three times. Of the settings below, ``--dev``
chose the epochs and the batch. Without it the test file is read once for each row and seed, and
results go to ``benchmarks/results/utterances.json``.
"""

from __future__ import annotations

import argparse
import json
import warnings

import numpy as np
import pandas as pd
from machine import RESULTS, description, review_sets_folder
from side_columns import SEEDS, add_p_values, read
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, SequenceData
from fastlstm.evaluation import macro_f1

SETTINGS = {"targets": "steps", "batch_size": 8, "max_epochs": 10, "early_stopping": False}
FOLDS = 5
VECTORS = {"voice": "audio", "face": "video", "words": "text100"}
ROWS = {
    "text in its video": ["score"],
    "text and voice in its video": ["score", "score with voice"],
    "published text vectors in their video": ["words"],
    "all published vectors in their video": ["words", "voice", "face"],
}


def with_vectors(part: str) -> pd.DataFrame:
    """Utterances, in the order of their videos."""
    frame = read("mosi", part)
    with np.load(review_sets_folder() / "mosi" / f"{part}_features.npz") as found:
        frame = frame.assign(**{name: [*found[own]] for name, own in VECTORS.items()})
    frame["place"] = frame["utterance"].str.rpartition("_")[2].astype(int)
    return frame.sort_values(["video", "place"]).reset_index(drop=True)


def scores(train: pd.DataFrame, test: pd.DataFrame, seed: int, beside: str | None = None):
    """Scores of texts: of training videos by classifiers that have not seen them."""

    def stacked(frame):
        return None if beside is None else np.stack(frame[beside])

    of_train, of_test = np.zeros(len(train)), np.zeros(len(test))
    for rows, left_out in GroupKFold(FOLDS).split(train, groups=train["video"]):
        own, others = train.iloc[rows], train.iloc[left_out]
        clf = LSTMSentimentClassifier(random_state=seed)
        clf.fit(own["text"].tolist(), own["label"].tolist(), X_side=stacked(own))
        of_train[left_out] = clf.decision_function(others["text"].tolist(), stacked(others))
        of_test += clf.decision_function(test["text"].tolist(), stacked(test)) / FOLDS
    return of_train, of_test


def videos(frame: pd.DataFrame, names: list[str]) -> tuple[SequenceData, list[np.ndarray]]:
    """A sequence for each video, and the labels of its utterances."""
    groups = [group for _, group in frame.groupby("video", sort=False)]
    features = [
        np.hstack([np.stack(group[name].tolist()).reshape(len(group), -1) for name in names])
        for group in groups
    ]
    return SequenceData(features=features), [group["label"].to_numpy() for group in groups]


def predictions(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    """What each row says of the test utterances."""
    clf = LSTMSentimentClassifier(random_state=seed)
    clf.fit(train["text"].tolist(), train["label"].tolist())
    found = {"text": clf.predict(test["text"].tolist())}
    for name, beside in (("score", None), ("score with voice", "voice")):
        of_train, of_test = scores(train, test, seed, beside)
        train, test = train.assign(**{name: of_train}), test.assign(**{name: of_test})
    for row, names in ROWS.items():
        X, y = videos(train, names)
        sequences = LSTMClassifier(**SETTINGS, random_state=seed).fit(X, y)
        found[row] = np.concatenate(sequences.predict(videos(test, names)[0]))
    return found


def measure(splits) -> dict:
    """Scores of each row; ``splits`` has a training and a test frame for each seed."""
    right: dict[str, list[np.ndarray]] = {}
    found: dict[str, dict] = {}
    for seed, (train, test) in zip(SEEDS, splits, strict=True):
        y = test["label"].to_numpy()
        for row, predicted in predictions(train, test, seed).items():
            right.setdefault(row, []).append(predicted == y)
            entry = found.setdefault(row, {"accuracy": [], "macro_f1": []})
            entry["accuracy"].append(float(np.mean(predicted == y)))
            entry["macro_f1"].append(macro_f1(y, predicted))
    add_p_values(found, right)
    for row, entry in found.items():
        print(row, {key: np.round(values, 4).tolist() for key, values in entry.items()}, flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    train = with_vectors("train")
    if arguments.dev:
        parts = GroupShuffleSplit(len(SEEDS), test_size=0.25, random_state=0)
        rows = parts.split(train, groups=train["video"])
        measure([(train.iloc[own], train.iloc[others]) for own, others in rows])
        return
    found = measure([(train, with_vectors("test"))] * len(SEEDS))
    result = {**description(), "settings": SETTINGS, "rows": found}
    path = RESULTS / "utterances.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
