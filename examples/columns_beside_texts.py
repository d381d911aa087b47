"""A table as X: the text, and the columns beside it."""

import pandas as pd

from fastlstm import LSTMSentimentClassifier, datasets

train, test = (datasets.load_reviews(language="en", split=part) for part in ("train", "test"))
tables = [
    pd.DataFrame({"text": part.texts, "domain": part.domains, "length": [*map(len, part.texts)]})
    for part in (train, test)
]

clf = LSTMSentimentClassifier(n_estimators=1, random_state=0)
clf.fit(tables[0], train.labels)
print(f"with columns {clf.score(tables[1], test.labels):.3f}")
print(clf.explain(tables[1].iloc[:1])[0])
