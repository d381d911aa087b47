"""LIME and SHAP on a classifier as it is: both need no more than ``predict_proba``.

pip install lime shap && python examples/explain_with_others.py
"""

from fastlstm import LSTMSentimentClassifier, datasets

TEXT = "I love it, a wonderful film with a terrible sound."


def fitted():
    """A small classifier of the bundled reviews that are for or against something."""
    reviews = datasets.load_reviews(split="train")
    kept = [i for i, label in enumerate(reviews.labels) if label != "neutral"]
    clf = LSTMSentimentClassifier(n_estimators=1, random_state=0)
    return clf.fit([reviews.texts[i] for i in kept], [reviews.labels[i] for i in kept])


def with_lime(clf, text=TEXT):
    """Weight of each word for the second class."""
    from lime.lime_text import LimeTextExplainer

    explainer = LimeTextExplainer(class_names=clf.classes_.tolist(), random_state=0)
    explanation = explainer.explain_instance(text, clf.predict_proba, num_samples=500)
    return dict(explanation.as_list())


def with_shap(clf, text=TEXT):
    """Shapley value of each word for the second class."""
    import shap

    # Words with the spaces behind them; words that are masked become a space. Another pattern
    # than spaces would leave out the marks at the end of the text.
    masker = shap.maskers.Text(r"\s+", mask_token=" ")
    explainer = shap.Explainer(
        lambda texts: clf.predict_proba(list(texts))[:, 1], masker, seed=0, algorithm="partition"
    )
    values = explainer([text])
    words = [word.strip(" ,.") for word in values.data[0]]
    return dict(zip(words, values.values[0].tolist(), strict=True))


def main():
    clf = fitted()
    (own,) = clf.explain([TEXT])
    print(own)
    print("LIME:", with_lime(clf))
    print("SHAP:", with_shap(clf))


if __name__ == "__main__":
    main()
