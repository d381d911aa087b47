"""The Python of docs/tutorial/tutorial.md, from a CSV to a saved model."""

import csv

from fastlstm import LSTMSentimentClassifier, Predictor, datasets

# -- a CSV ---------------------------------------------------------------------------

reviews = datasets.load_reviews(language="en")
for split in ("train", "test"):
    with open(f"{split}.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for text, label, part in zip(reviews.texts, reviews.labels, reviews.splits, strict=True):
            if part == split:
                rows.writerow([text, label])

# -- train -----------------------------------------------------------------------------


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


texts, labels = read("train.csv")
clf = LSTMSentimentClassifier(random_state=0, n_estimators=1)
clf.fit(texts, labels)

test_texts, test_labels = read("test.csv")
print(f"{clf.score(test_texts, test_labels):.3f}")

# -- explain ---------------------------------------------------------------------------

(why,) = clf.explain(["The plot is great, but the sound is awful."])
print(why)

# -- save and load -----------------------------------------------------------------------

clf.save("from_python.fastlstm")

predictor = Predictor("from_python.fastlstm")
print(predictor.predict(["A wonderful film.", "It broke after two days."]))
