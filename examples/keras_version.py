"""The same program in Keras, for comparison; needs ``pip install tensorflow-cpu``."""

import numpy as np
from keras import Sequential, layers, utils

from fastlstm import datasets

reviews = datasets.load_reviews()
rows = [i for i, label in enumerate(reviews.labels) if label != "neutral"]
texts, labels = [reviews.texts[i] for i in rows], [reviews.labels[i] for i in rows]

words = {}
for text in texts:
    for word in text.lower().split():
        words.setdefault(word, len(words) + 2)
ids = [[words[word] for word in text.lower().split()] for text in texts]
X = utils.pad_sequences(ids, maxlen=100)
y = np.array([label == "positive" for label in labels], dtype="float32")

utils.set_random_seed(0)
model = Sequential()
model.add(layers.Embedding(len(words) + 2, 64, mask_zero=True))
model.add(layers.LSTM(128, return_sequences=True))
model.add(layers.LSTM(128))
model.add(layers.Dense(1, activation="sigmoid"))
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
model.fit(X, y, epochs=10, batch_size=32)

new = ["Not bad at all, I would buy it again.", "质量太差，用了两天就坏了。"]
new_ids = [[words.get(word, 1) for word in text.lower().split()] for text in new]
scores = model.predict(utils.pad_sequences(new_ids, maxlen=100))
print(np.where(scores[:, 0] > 0.5, "positive", "negative"))
