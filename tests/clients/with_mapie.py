# /// script
# dependencies = ["mapie", "pandas"]
# ///
"""`SplitConformalClassifier` and `CrossConformalClassifier`: their sets hold the right class about
as often as asked.

MAPIE takes texts as a series, an array or a frame, not as a list.
"""

import numpy as np
import pandas as pd
from mapie.classification import CrossConformalClassifier, SplitConformalClassifier

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=4, random_state=0)
    clf.fit(train.texts, train.labels)
    # Half of the texts that were not trained on set the thresholds, the other half checks them.
    texts, labels = pd.Series(test.texts), pd.Series(test.labels)
    mine, others = texts.index % 2 == 0, texts.index % 2 == 1

    model = SplitConformalClassifier(clf, confidence_level=[0.7, 0.95], prefit=True)
    model.conformalize(texts[mine], labels[mine])
    predicted, sets = model.predict_set(texts[others])
    np.testing.assert_array_equal(predicted, clf.predict(test.texts[1::2]))
    assert sets.shape == (108, 3, 2)
    right = np.searchsorted(clf.classes_, labels[others])
    held = sets[np.arange(108), right].mean(axis=0)
    assert 0.55 < held[0] < 0.9 < held[1], held

    model = CrossConformalClassifier(clf, confidence_level=0.8, cv=3, random_state=0)
    model.fit_conformalize(pd.Series(train.texts), pd.Series(train.labels))
    predicted, sets = model.predict_set(texts)
    assert sets.shape == (216, 3, 1) and (predicted == labels).mean() > 0.6
    held = sets[np.arange(216), np.searchsorted(clf.classes_, labels), 0].mean()
    assert held > 0.7, held
    with_list = SplitConformalClassifier(clf, prefit=True)
    try:
        with_list.conformalize(test.texts, test.labels)
    except TypeError as error:
        assert "number of features" in str(error), error
    else:
        raise AssertionError("lists are taken now: delete the limit")


if __name__ == "__main__":
    main()
