# /// script
# dependencies = ["polars"]
# ///
"""Fits on columns; predictions as a new column, also by `map_batches` in a lazy query;
categories, an `Enum` of labels, and a frame of one column.
"""

import numpy as np
import polars as pl

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    table = pl.DataFrame(load_reviews("en")._asdict())
    train = table.filter(pl.col("splits") == "train")
    test = table.filter(pl.col("splits") == "test")
    settings = {"n_estimators": 1, "max_epochs": 4, "random_state": 0}
    clf = LSTMSentimentClassifier(**settings).fit(train["texts"], train["labels"])

    scored = test.with_columns(pl.Series("predicted", clf.predict(test["texts"])))
    right = scored.select((pl.col("predicted") == pl.col("labels")).mean()).item()
    assert right > 0.6, right

    lazy = test.lazy().with_columns(
        pl.col("texts")
        .map_batches(lambda texts: pl.Series(clf.predict(texts)), return_dtype=pl.String)
        .alias("predicted")
    )
    assert lazy.collect().equals(scored)

    plain = LSTMSentimentClassifier(**settings).fit(train["texts"].to_list(), list(train["labels"]))
    chances = plain.predict_proba(test["texts"].to_list())
    for texts in (test["texts"], test["texts"].cast(pl.Categorical), test.select("texts")):
        np.testing.assert_array_equal(clf.predict_proba(texts), chances)
    labels = train["labels"].cast(pl.Enum(["negative", "neutral", "positive"]))
    clf.fit(train.select("texts"), labels)
    np.testing.assert_array_equal(clf.predict_proba(test["texts"]), chances)


if __name__ == "__main__":
    main()
