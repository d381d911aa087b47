# /// script
# dependencies = ["pandas"]
# ///
"""Fits on shuffled columns; probabilities as a frame with the index of the texts; columns of
several dtypes, a frame of one column, and texts that are missing.
"""

import numpy as np
import pandas as pd

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    table = pd.DataFrame(load_reviews("en")._asdict()).sample(frac=1, random_state=0)
    train, test = table[table["splits"] == "train"], table[table["splits"] == "test"]
    settings = {"n_estimators": 1, "max_epochs": 4, "random_state": 0}
    clf = LSTMSentimentClassifier(**settings).fit(train["texts"], train["labels"])

    chances = pd.DataFrame(clf.predict_proba(test["texts"]), index=test.index, columns=clf.classes_)
    right = chances.idxmax(axis="columns") == test["labels"]
    assert right.mean() > 0.6, right.mean()
    assert right.groupby(test["domains"]).mean().between(0, 1).all()

    plain = LSTMSentimentClassifier(**settings).fit(train["texts"].tolist(), list(train["labels"]))
    np.testing.assert_array_equal(plain.predict_proba(test["texts"].tolist()), chances)
    for dtype in ("str", "string", object, "category"):
        np.testing.assert_array_equal(clf.predict_proba(test["texts"].astype(dtype)), chances)
    np.testing.assert_array_equal(clf.predict_proba(test[["texts"]]), chances)

    # A text that is missing is an error that names the row, or has the classes' shares.
    gaps = test["texts"].where(test["domains"] != test["domains"].iloc[5])
    try:
        clf.predict(gaps)
    except ValueError as error:
        row = int(np.flatnonzero(gaps.isna())[0])
        assert f"in row {row}" in str(error), error
    else:
        raise AssertionError("missing texts went unnoticed")
    filled = clf.set_params(missing="empty").predict_proba(gaps)
    np.testing.assert_array_equal(filled[gaps.isna()], [clf.class_prior_] * gaps.isna().sum())


if __name__ == "__main__":
    main()
