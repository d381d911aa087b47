"""The scikit-learn side: two classifiers, a vectorizer, saving and loading."""

from fastlstm.estimator.loading import load
from fastlstm.estimator.text import LSTMSentimentClassifier
from fastlstm.estimator.tokens import LSTMClassifier
from fastlstm.estimator.vectorizer import SequenceVectorizer

__all__ = ["LSTMClassifier", "LSTMSentimentClassifier", "SequenceVectorizer", "load"]
