"""Where to draw the line: a threshold chosen by cross-validation, and a fixed one."""

from sklearn.frozen import FrozenEstimator
from sklearn.metrics import classification_report, fbeta_score, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from fastlstm import LSTMSentimentClassifier, datasets


def complaints(split):
    """Texts, and whether each is a complaint."""
    reviews = datasets.load_reviews(language="en", split=split)
    return reviews.texts, [int(label == "negative") for label in reviews.labels]


texts, labels = complaints("train")
test_texts, test_labels = complaints("test")
clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=12, random_state=0)

# A complaint that is missed costs more than a review read in vain: recall counts double.
tuned = TunedThresholdClassifierCV(clf, scoring=make_scorer(fbeta_score, beta=2), cv=3)
tuned.fit(texts, labels)
print(f"threshold {tuned.best_threshold_:.2f}")
print(classification_report(test_labels, tuned.predict(test_texts)))

# The same fitted model with a line that you draw yourself.
careful = FixedThresholdClassifier(FrozenEstimator(tuned.estimator_), threshold=0.2)
careful.fit(texts, labels)
print(classification_report(test_labels, careful.predict(test_texts)))
