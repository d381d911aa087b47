"""Word vectors of your own: learned from any texts, kept in a file, used in a classifier."""

from fastlstm import LSTMSentimentClassifier, WordVectors, datasets

reviews = datasets.load_reviews(language="en")

# More texts than have labels may go in here.
vectors = WordVectors.learn(reviews.texts, size=64)
vectors.save("reviews.vec")

train = datasets.load_reviews(language="en", split="train")
clf = LSTMSentimentClassifier(
    word_vectors="reviews.vec", embedding_dim=64, n_estimators=1, random_state=0
)
clf.fit(train.texts, train.labels)
print(clf.vector_coverage_)
