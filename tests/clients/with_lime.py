# /// script
# dependencies = ["lime"]
# ///
r"""`LimeTextExplainer` on an English and a Chinese text.

Its words are what stands between `\W+`: a Chinese clause is one word. `split_expression=list` takes
characters.
"""

import numpy as np
from lime.lime_text import LimeTextExplainer

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    train, test = load_reviews(split="train"), load_reviews(split="test")
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=8, random_state=0)
    clf.fit(train.texts, train.labels)
    assert clf.score(test.texts, test.labels) > 0.6
    names = clf.classes_.tolist()
    settings = {"labels": range(3), "num_samples": 500}

    text = "A wonderful phone. I love the screen."
    explainer = LimeTextExplainer(class_names=names, random_state=0)
    found = explainer.explain_instance(text, clf.predict_proba, **settings)
    np.testing.assert_array_equal(found.predict_proba, clf.predict_proba([text])[0])
    words = dict(found.as_list(label=names.index("positive")))
    assert max(words, key=words.get) in ("love", "wonderful"), words

    text = "质量太差，很失望。"
    found = explainer.explain_instance(text, clf.predict_proba, **settings)
    assert len(found.as_list(label=0)) == 2  # as long as this holds, the limit does
    by_character = LimeTextExplainer(
        class_names=names, random_state=0, split_expression=list, bow=False
    )
    found = by_character.explain_instance(text, clf.predict_proba, **settings)
    characters = [name for name, weight in found.as_list(label=names.index("negative"))]
    assert set(characters[:3]) & set("差失望"), characters


if __name__ == "__main__":
    main()
