# /// script
# dependencies = ["imbalanced-learn", "pandas"]
# ///
"""`RandomOverSampler` and `RandomUnderSampler` before the classifier in a pipeline,
cross-validated; the texts as a frame of one column and as an array of one column.
"""

from collections import Counter

import numpy as np
import pandas as pd
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.model_selection import cross_val_score

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    reviews = load_reviews("en", "train")
    table = pd.DataFrame({"text": reviews.texts, "label": reviews.labels})
    # One class with a fifth of the texts that each other has.
    rare = table[table["label"] == "neutral"].index[::5]
    table = pd.concat([table[table["label"] != "neutral"], table.loc[rare]])
    X, y = table[["text"]], table["label"]
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=4, random_state=0)
    test = load_reviews("en", "test")

    for sampler in (RandomOverSampler(random_state=0), RandomUnderSampler(random_state=0)):
        model = make_pipeline(sampler, clf)
        assert cross_val_score(model, X, y, cv=3, error_score="raise").min() > 0.5
        resampled, labels = sampler.fit_resample(X, y)
        assert len(set(Counter(labels).values())) == 1
        plain = LSTMSentimentClassifier(**clf.get_params())
        plain.fit(resampled["text"].tolist(), labels.tolist())
        expected = plain.predict_proba(test.texts)
        np.testing.assert_array_equal(model.fit(X, y).predict_proba(test.texts), expected)
        # The same texts as an array of one column.
        model.fit(X.to_numpy(dtype=object), y)
        np.testing.assert_array_equal(model.predict_proba(test.texts), expected)


if __name__ == "__main__":
    main()
