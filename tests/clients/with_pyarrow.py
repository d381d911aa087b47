# /// script
# dependencies = ["pyarrow", "pandas"]
# ///
"""Fits on columns of a Parquet file; arrays of four kinds of strings, batches, a table of one
column, and pandas columns of Arrow types.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    reviews = load_reviews("en", "train")
    pq.write_table(pa.table({"text": reviews.texts, "label": reviews.labels}), "train.parquet")
    table = pq.read_table("train.parquet", read_dictionary=["label"])
    settings = {"n_estimators": 1, "max_epochs": 4, "random_state": 0}
    clf = LSTMSentimentClassifier(**settings).fit(table["text"], table["label"])

    test = load_reviews("en", "test")
    plain = LSTMSentimentClassifier(**settings).fit(reviews.texts, reviews.labels)
    chances = plain.predict_proba(test.texts)
    assert clf.score(pa.array(test.texts), pa.array(test.labels)) > 0.6
    np.testing.assert_array_equal(clf.predict_proba(pa.array(test.texts)), chances)
    np.testing.assert_array_equal(clf.predict_proba(pa.table({"text": test.texts})), chances)
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        np.testing.assert_array_equal(clf.predict_proba(pa.array(test.texts, kind)), chances)

    batches = pa.table({"text": test.texts}).to_batches(max_chunksize=50)
    parts = [clf.predict_proba(batch["text"]) for batch in batches]
    np.testing.assert_array_equal(np.concatenate(parts), chances)

    frame = pd.read_parquet("train.parquet", dtype_backend="pyarrow")
    clf.fit(frame["text"], frame["label"])
    np.testing.assert_array_equal(clf.predict_proba(test.texts), chances)


if __name__ == "__main__":
    main()
