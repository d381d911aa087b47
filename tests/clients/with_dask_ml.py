# /// script
# dependencies = ["dask-ml"]
# ///
"""`ParallelPostFit` predicts a data frame part by part.

A data frame needs `predict_meta`. Without it Dask asks the classifier about a text that is missing,
to learn the type of the answer, and `missing="error"` refuses it.
"""

import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask_ml.wrappers import ParallelPostFit

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=4, random_state=0)
    model = ParallelPostFit(clf, predict_meta=np.empty(0, dtype=object)).fit(
        train.texts, train.labels
    )
    frame = dd.from_pandas(pd.DataFrame({"text": test.texts}), npartitions=5)
    predicted = model.predict(frame).compute()
    plain = LSTMSentimentClassifier(**clf.get_params()).fit(train.texts, train.labels)
    np.testing.assert_array_equal(predicted, plain.predict(test.texts))
    assert (predicted == test.labels).mean() > 0.6


if __name__ == "__main__":
    main()
