"""Numbers beside each token, some of them missing."""

import numpy as np

from fastlstm import LSTMClassifier, SequenceData, SequenceVectorizer, datasets

reviews = datasets.load_reviews(language="en", split="train")
ids = SequenceVectorizer(max_length=200).fit_transform(reviews.texts)  # 0 is padding

rng = np.random.default_rng(0)
pitch = []
for row, label in zip(ids, reviews.labels, strict=True):
    n_words = np.count_nonzero(row)
    hertz = rng.normal(220 if label == "positive" else 200, 20, size=(n_words, 1))
    hertz[rng.random(n_words) < 0.3] = np.nan  # not heard
    pitch.append(hertz)

X = SequenceData(tokens=ids, features=pitch)
clf = LSTMClassifier(vocabulary_size=ids.max() + 1, max_epochs=5, random_state=0)
clf.fit(X[:400], reviews.labels[:400])
print(f"{clf.score(X[400:], reviews.labels[400:]):.3f}")
