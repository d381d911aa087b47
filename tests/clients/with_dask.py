# /// script
# dependencies = ["dask[dataframe]", "distributed"]
# ///
"""`map_partitions` over a data frame on two worker processes; a grid search in joblib's backend
`dask` equals one without it.
"""

import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def predicted(part, clf):
    return part.assign(predicted=clf.predict(part["text"]))


def main():
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=4, random_state=0, n_jobs=1)
    clf.fit(train.texts, train.labels)
    frame = dd.from_pandas(pd.DataFrame({"text": test.texts}), npartitions=5)

    with LocalCluster(n_workers=2, threads_per_worker=2) as cluster, Client(cluster):
        meta = frame._meta.assign(predicted=pd.Series(dtype=frame.dtypes["text"]))
        table = frame.map_partitions(predicted, clf, meta=meta).compute()
        np.testing.assert_array_equal(table["predicted"], clf.predict(test.texts))
        assert (table["predicted"] == test.labels).mean() > 0.6

        grid = {"hidden_size": [8, 16]}
        with joblib.parallel_backend("dask"):
            search = GridSearchCV(clf, grid, cv=2).fit(train.texts, train.labels)
    alone = GridSearchCV(clf, grid, cv=2).fit(train.texts, train.labels)
    for name in ("mean_test_score", "param_hidden_size"):
        np.testing.assert_array_equal(search.cv_results_[name], alone.cv_results_[name])
    np.testing.assert_array_equal(search.predict_proba(test.texts), alone.predict_proba(test.texts))


if __name__ == "__main__":
    main()
