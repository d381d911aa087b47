"""A text column beside other columns: the LSTM's logits are features of another model.

pip install pandas && python examples/pipeline.py
"""

import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastlstm import LSTMSentimentClassifier, datasets


class Logits(TransformerMixin, BaseEstimator):
    """A text classifier as a transformer."""

    def __init__(self, classifier, cv=3):
        self.classifier = classifier
        self.cv = cv

    def fit(self, X, y):
        self.classifier_ = clone(self.classifier).fit(X, y)
        return self

    def transform(self, X):
        logits = self.classifier_.decision_function(X)
        return logits.reshape(len(logits), -1)  # a column too with two classes

    def fit_transform(self, X, y):
        # The next model learns from logits of texts that were not trained on.
        self.fit(X, y)
        logits = cross_val_predict(self.classifier, X, y, cv=self.cv, method="decision_function")
        return logits.reshape(len(logits), -1)


reviews = datasets.load_reviews(language="en")
table = pd.DataFrame({"text": reviews.texts, "domain": reviews.domains})
table["characters"] = table["text"].str.len()
table["exclamations"] = table["text"].str.count("!")
labels = pd.Series(reviews.labels)
train = pd.Series(reviews.splits) == "train"

text_model = LSTMSentimentClassifier(n_estimators=1, max_epochs=12, random_state=0)
columns = ColumnTransformer([
    ("text", Logits(text_model), "text"),  # a name, not a list: one column of texts
    ("domain", OneHotEncoder(handle_unknown="ignore"), ["domain"]),
    ("numbers", StandardScaler(), ["characters", "exclamations"]),
])  # fmt: skip
model = make_pipeline(columns, LogisticRegression(max_iter=1000))
model.fit(table[train], labels[train])

score = model.score(table[~train], labels[~train])
fitted_text_model = model[0].named_transformers_["text"].classifier_
text_alone = fitted_text_model.score(table["text"][~train], labels[~train])
print(f"all columns {score:.3f}, the text alone {text_alone:.3f}")
