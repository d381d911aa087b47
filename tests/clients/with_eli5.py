# /// script
# dependencies = ["eli5"]
# ///
"""`TextExplainer` on one text."""

from eli5.lime import TextExplainer

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=8, random_state=0)
    clf.fit(train.texts, train.labels)
    assert clf.score(test.texts, test.labels) > 0.6

    explainer = TextExplainer(n_samples=500, random_state=0)
    explainer.fit("A wonderful phone. I love the screen.", clf.predict_proba)
    assert explainer.metrics_["score"] > 0.8, explainer.metrics_
    explanation = explainer.explain_prediction(target_names=clf.classes_.tolist())
    (positive,) = [target for target in explanation.targets if target.target == "positive"]
    words = {weight.feature: weight.weight for weight in positive.feature_weights.pos}
    assert "wonderful" in max(words, key=words.get), words


if __name__ == "__main__":
    main()
