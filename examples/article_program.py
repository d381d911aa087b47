"""Embedding 64 -> LSTM 128 -> LSTM 128 -> sigmoid, Adam, binary cross-entropy, 10 epochs.

The classic program of LSTM tutorials: token ids cut to 100, minibatches of 32.
Compare with keras_version.py beside it.
"""

from fastlstm import LSTMSentimentClassifier, datasets

reviews = datasets.load_reviews()
rows = [i for i, label in enumerate(reviews.labels) if label != "neutral"]
texts, labels = [reviews.texts[i] for i in rows], [reviews.labels[i] for i in rows]

clf = LSTMSentimentClassifier(
    max_length=100, embedding_dim=64, hidden_size=128, num_layers=2, bidirectional=False,
    pooling="last", dropout=0, embedding_dropout=0, learning_rate=0.001,
    learning_rate_schedule="constant", warmup_fraction=0, batch_size=32, max_epochs=10,
    early_stopping=False, random_state=0, verbose=1,
)  # fmt: skip
clf.fit(texts, labels)
print(clf.predict(["Not bad at all, I would buy it again.", "质量太差，用了两天就坏了。"]))
