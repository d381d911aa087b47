"""Few labels and many texts: what the texts without labels add."""

from fastlstm import LSTMSentimentClassifier, datasets

train = datasets.load_reviews(language="en", split="train")
test = datasets.load_reviews(language="en", split="test")

texts, labels = train.texts[:150], train.labels[:150]
more_texts = train.texts[150:]

clf = LSTMSentimentClassifier(n_estimators=1, random_state=0)
clf.fit(texts, labels)
without = clf.score(test.texts, test.labels)

clf.fit(texts, labels, X_unlabelled=more_texts)
with_more = clf.score(test.texts, test.labels)
print(f"150 labels {without:.3f}, and {len(more_texts)} further texts {with_more:.3f}")
