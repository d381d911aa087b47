#!/usr/bin/env bash
# skl2onnx converts a CountVectorizer with its default token_pattern to ASCII words of any length.
# Chinese and accented words are then never counted, and pairs of words over a dropped one-letter
# word are lost ("not a good" has "not good" in scikit-learn). Neither conversion nor run says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 \
    scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.32.0 skl2onnx==1.20.0
"$folder/venv/bin/python" - <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import CountVectorizer

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "onnxruntime", "scikit-learn")))


def lost(texts, **options):
    """Words that scikit-learn counts and the converted vectorizer does not."""
    # Without lower case no locale is needed on the machine.
    vectorizer = CountVectorizer(lowercase=False, **options).fit(texts)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = convert_sklearn(vectorizer, initial_types=[("text", StringTensorType([None, 1]))])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (counts,) = session.run(None, {"text": np.array(texts, dtype=object).reshape(-1, 1)})
    missing = (vectorizer.transform(texts).toarray() != counts).any(axis=0)
    words = list(vectorizer.get_feature_names_out()[missing])
    print(texts, options, "lost:", words)
    assert not caught
    return words


ENGLISH = ["not a good film", "a good film", "not bad"]
assert lost(ENGLISH) == []
assert lost(ENGLISH, ngram_range=(1, 2)) == ["not good"]
# The same pattern in other letters is kept as it is.
assert lost(ENGLISH, ngram_range=(1, 2), token_pattern=r"\b\w\w+\b") == []
assert lost(["质量 很好", "质量 很差"]) == ["很好", "很差", "质量"]
assert lost(["un café très bon"]) == ["café", "très"]
PY
