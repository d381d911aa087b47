# /// script
# dependencies = ["cleanlab"]
# ///
"""`CleanLearning` and `find_label_issues` find labels that were changed.

Labels are integers from 0 on.
"""

import numpy as np
from cleanlab.classification import CleanLearning
from cleanlab.filter import find_label_issues
from sklearn.model_selection import cross_val_predict

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    reviews = load_reviews("en", "train")
    names, right = np.unique(reviews.labels, return_inverse=True)
    turned = np.random.default_rng(0).choice(len(right), 60, replace=False)
    labels = right.copy()
    labels[turned] = (labels[turned] + 1) % len(names)
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=4, random_state=0)

    texts = np.array(reviews.texts)
    chances = cross_val_predict(clf, texts, labels, cv=5, method="predict_proba")
    found = find_label_issues(labels, chances, return_indices_ranked_by="self_confidence")
    # Of the first 60, far more than the share of all texts, 60 of 675.
    assert np.isin(found[:60], turned).mean() > 0.4

    cleaner = CleanLearning(clf, seed=0)
    cleaner.fit(texts, labels)
    issues = cleaner.get_label_issues()
    assert len(issues) == len(texts)
    assert issues["is_label_issue"][turned].mean() > 2 * issues["is_label_issue"].mean()
    test = load_reviews("en", "test")
    assert (names[cleaner.predict(test.texts)] == test.labels).mean() > 0.6


if __name__ == "__main__":
    main()
