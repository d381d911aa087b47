# /// script
# dependencies = ["skops"]
# ///
"""`dump` and `load` of a classifier and of a pipeline with equal bits; a model card.

`load` asks for the types of fastlstm as `trusted`; `get_untrusted_types` lists them.
"""

import numpy as np
from sklearn.pipeline import make_pipeline
from skops import card
from skops import io as sio

from fastlstm import LSTMClassifier, LSTMSentimentClassifier, SequenceVectorizer
from fastlstm.datasets import load_reviews


def main():
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    settings = {"n_estimators": 1, "max_epochs": 4, "random_state": 0}
    for model in (
        LSTMSentimentClassifier(**settings),
        make_pipeline(SequenceVectorizer(), LSTMClassifier(max_epochs=4, random_state=0)),
    ):
        model.fit(train.texts, train.labels)
        assert model.score(test.texts, test.labels) > 0.5
        sio.dump(model, "model.skops")
        types = sio.get_untrusted_types(file="model.skops")
        others = [name for name in types if not name.startswith("fastlstm.")]
        assert others == ["functools.partial"], others  # the tokeniser
        loaded = sio.load("model.skops", trusted=types)
        np.testing.assert_array_equal(
            loaded.predict_proba(test.texts), model.predict_proba(test.texts)
        )
        if isinstance(model, LSTMSentimentClassifier):  # what goes on can be kept as well
            model.partial_fit(train.texts[:20], train.labels[:20])
            sio.dump(model, "further.skops")
            further = sio.load(
                "further.skops", trusted=sio.get_untrusted_types(file="further.skops")
            )
            np.testing.assert_array_equal(
                further.predict_proba(test.texts), model.predict_proba(test.texts)
            )
    page = card.Card(model).add_metrics(accuracy=model.score(test.texts, test.labels))
    assert "LSTMClassifier" in page.render()


if __name__ == "__main__":
    main()
