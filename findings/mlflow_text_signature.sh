#!/usr/bin/env bash
# MLflow's pyfunc turns a text pipeline's input into a data frame where the model has a signature.
# CountVectorizer iterates over a frame's column names, so any number of texts gets the one answer
# for the word "text", and no error. A signature made from a plain list of texts ends in an
# AttributeError instead. Without a signature both forms are handed on as they are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    mlflow==3.17.2 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"
export MLFLOW_TRACKING_URI="sqlite:///$folder/mlflow.db" MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
"$folder/venv/bin/python" - 2>/dev/null <<'PY'
import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

texts = ["a warm and clever play", "dull and far too long", "clever and warm", "too long, too dull"]
labels = ["good", "bad", "good", "bad"]
model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, labels)
frame = pd.DataFrame({"text": texts})
print("mlflow", mlflow.__version__, "| scikit-learn alone:", model.predict(texts).tolist())
assert model.predict(texts).tolist() == labels


def logged(name, signature=None):
    info = mlflow.sklearn.log_model(
        model, name=name, signature=signature, serialization_format="cloudpickle"
    )
    return mlflow.pyfunc.load_model(info.model_uri)


found = logged("plain").predict(texts)
print("no signature, a list:", list(found))
assert list(found) == labels

found = logged("frame", infer_signature(frame, labels)).predict(frame)
print("signature of a frame, four texts in a frame:", list(found))
assert len(found) == 1

try:
    found = logged("list", infer_signature(texts, labels)).predict(texts)
except AttributeError as error:
    print("signature of a list, the same list:", error)
else:
    raise SystemExit(f"no error: {list(found)}")
PY
