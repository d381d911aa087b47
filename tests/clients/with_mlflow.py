# /// script
# dependencies = ["mlflow", "skops"]
# ///
"""`log_model`, `load_model` and `pyfunc.load_model` with equal bits; `autolog` records one run for
one fit.

`log_model` writes skops files by default and then asks for `skops_trusted_types`. `autolog` watches
scikit-learn's own classes only: a pipeline or a search around the classifier is recorded, a fit of
the classifier alone is not.
"""

import mlflow
import numpy as np
import pandas as pd
import skops.io
from mlflow.models import infer_signature
from sklearn.pipeline import make_pipeline

from fastlstm import LSTMSentimentClassifier
from fastlstm.datasets import load_reviews


def main():
    mlflow.set_tracking_uri("sqlite:///runs.db")
    mlflow.set_experiment("reviews")
    train, test = load_reviews("en", "train"), load_reviews("en", "test")
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=4, random_state=0)

    with mlflow.start_run():
        clf.fit(train.texts, train.labels)
        mlflow.log_params({"max_epochs": clf.max_epochs})
        mlflow.log_metric("accuracy", clf.score(test.texts, test.labels))
        types = skops.io.get_untrusted_types(data=skops.io.dumps(clf))
        signature = infer_signature(test.texts, clf.predict(test.texts))
        logged = mlflow.sklearn.log_model(
            clf, name="model", signature=signature, skops_trusted_types=types
        )
    chances = clf.predict_proba(test.texts)
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(loaded.predict_proba(test.texts), chances)
    served = mlflow.pyfunc.load_model(logged.model_uri)
    for texts in (test.texts, pd.DataFrame({"text": test.texts})):
        np.testing.assert_array_equal(served.predict(texts), clf.predict(test.texts))
    assert len(mlflow.search_runs()) == 1

    # autolog watches the classes of scikit-learn itself: the pipeline is a run, and nothing else.
    mlflow.sklearn.autolog()
    again = LSTMSentimentClassifier(**clf.get_params())
    pipeline = make_pipeline(again).fit(pd.Series(train.texts), train.labels)
    runs = mlflow.search_runs()
    assert len(runs) == 2, runs
    run = runs.set_index("tags.estimator_name").loc["Pipeline"]
    assert run["params.lstmsentimentclassifier__max_epochs"] == "4"
    assert run["metrics.training_accuracy_score"] == pipeline.score(train.texts, train.labels) > 0.6
    again.fit(train.texts, train.labels)
    assert len(mlflow.search_runs()) == 2
    (model,) = mlflow.search_logged_models(
        filter_string=f"source_run_id = '{run['run_id']}'", output_format="list"
    )
    loaded = mlflow.sklearn.load_model(model.model_uri)
    np.testing.assert_array_equal(loaded.predict_proba(test.texts), chances)


if __name__ == "__main__":
    main()
