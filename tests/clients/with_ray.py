# /// script
# dependencies = ["ray[data]"]
# ///
"""`map_batches` with two actors that hold a `Predictor` each; a grid search in joblib's backend
`ray` equals one without it.
"""

from pathlib import Path

import joblib
import numpy as np
import ray
from ray.util.joblib import register_ray
from sklearn.model_selection import GridSearchCV

from fastlstm import LSTMSentimentClassifier, Predictor
from fastlstm.datasets import load_reviews


class Classify:
    def __init__(self, path):
        self.predictor = Predictor(path, n_jobs=1)

    def __call__(self, batch):
        chances = self.predictor.predict_proba(batch["text"])
        return {"row": batch["row"], "chances": chances}


def main():
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=4, random_state=0)
    clf.fit(train.texts, train.labels).save("model.fastlstm")
    expected = clf.predict_proba(test.texts)
    assert clf.score(test.texts, test.labels) > 0.6

    ray.init(num_cpus=2, include_dashboard=False)
    rows = [{"row": row, "text": text} for row, text in enumerate(test.texts)]
    path = str(Path("model.fastlstm").resolve())
    actors = ray.data.ActorPoolStrategy(size=2)
    scored = ray.data.from_items(rows).map_batches(
        Classify, fn_constructor_args=[path], batch_size=50, compute=actors
    )
    done = scored.take_all()
    done.sort(key=lambda row: row["row"])
    np.testing.assert_array_equal([row["chances"] for row in done], expected)

    register_ray()
    grid = {"hidden_size": [8, 16]}
    with joblib.parallel_backend("ray"):
        search = GridSearchCV(clf, grid, cv=2).fit(train.texts, train.labels)
    ray.shutdown()
    alone = GridSearchCV(clf, grid, cv=2).fit(train.texts, train.labels)
    for name in ("mean_test_score", "param_hidden_size"):
        np.testing.assert_array_equal(search.cv_results_[name], alone.cv_results_[name])


if __name__ == "__main__":
    main()
