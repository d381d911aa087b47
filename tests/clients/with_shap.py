# /// script
# dependencies = ["shap"]
# ///
r"""`Explainer` with `maskers.Text`: the values of each class add up to its probability.

Split at `\s+`: other patterns lose the marks at the end of a text.
"""

import numpy as np
import shap

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=8, random_state=0)
    clf.fit(train.texts, train.labels)
    assert clf.score(test.texts, test.labels) > 0.6
    names = clf.classes_.tolist()

    # By spaces, since other patterns lose the marks at the end of a text.
    masker = shap.maskers.Text(r"\s+", mask_token=" ")
    explainer = shap.Explainer(clf.predict_proba, masker, output_names=names, seed=0)
    texts = np.array(["A wonderful phone. I love the screen.", "The room was dirty."])
    found = explainer(texts)
    sums = [
        base + values.sum(axis=0)
        for base, values in zip(found.base_values, found.values, strict=True)
    ]
    np.testing.assert_allclose(sums, clf.predict_proba(texts), atol=1e-9)
    for row, word, name in ((0, "wonderful", "positive"), (1, "dirty.", "negative")):
        words = [str(part).strip() for part in found.data[row]]
        assert found.values[row][words.index(word), names.index(name)] > 0.05, found[row]


if __name__ == "__main__":
    main()
