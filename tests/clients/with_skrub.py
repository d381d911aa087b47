# /// script
# dependencies = ["skrub"]
# ///
"""A plan of data ops with the classifier: cross-validation and a learner; `SelectCols` before the
classifier in a pipeline; `TableVectorizer` for the columns beside the text.
"""

import numpy as np
import pandas as pd
import skrub
from sklearn.pipeline import make_pipeline

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    reviews = load_reviews("en", "train")
    table = pd.DataFrame({"text": reviews.texts, "domain": reviews.domains, "y": reviews.labels})
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=4, random_state=0)

    data = skrub.var("data", table)
    X = data[["text", "domain"]].skb.mark_as_X()
    y = data["y"].skb.mark_as_y()
    predicted = X["text"].skb.apply(clf, y=y)
    scores = predicted.skb.cross_validate(cv=3)["test_score"]
    assert scores.shape == (3,) and scores.min() > 0.5, scores

    learner = predicted.skb.make_learner(fitted=True)
    test = load_reviews("en", "test")
    unseen = pd.DataFrame({"text": test.texts, "domain": test.domains})
    chances = learner.predict_proba({"data": unseen.assign(y="")})
    plain = LSTMSentimentClassifier(**clf.get_params()).fit(reviews.texts, reviews.labels)
    np.testing.assert_array_equal(chances, plain.predict_proba(test.texts))

    pipeline = make_pipeline(skrub.SelectCols(["text"]), clf).fit(table, table["y"])
    np.testing.assert_array_equal(pipeline.predict_proba(unseen), chances)

    beside = LSTMSentimentClassifier(
        **{**clf.get_params(), "text_column": "text", "side": skrub.TableVectorizer()}
    ).fit(table[["text", "domain"]], table["y"])
    names = beside.get_params()["side"].fit(table[["domain"]]).get_feature_names_out()
    assert beside.config_.n_side == len(names) == len(set(reviews.domains)), names
    assert beside.score(unseen, test.labels) > 0.5


if __name__ == "__main__":
    main()
