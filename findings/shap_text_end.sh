#!/usr/bin/env bash
# shap.maskers.Text with a regular expression drops a separator at the end of a text. With r"\W+"
# a text that ends in punctuation marks is explained without them: the classifier is never asked
# about the text as it was given, and the values add up to another prediction.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    numpy==2.4.6 scikit-learn==1.9.1 shap==0.51.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import shap

print("shap", shap.__version__)
seen = set()


def probability(texts):
    """0.1, and more for the word great and for each exclamation mark."""
    texts = [str(text) for text in texts]
    seen.update(texts)
    return np.array([0.1 + 0.3 * ("great" in text) + 0.1 * text.count("!") for text in texts])


for pattern, text in (
    (r"\W+", "A great film!!!"),
    (r"\W+", "A great film!!! Go"),
    (r"\s+", "A great film!!!"),
):
    seen.clear()
    explanation = shap.Explainer(probability, shap.maskers.Text(pattern))([text])
    asked = text in seen
    total = float(np.sum(explanation.base_values) + explanation.values[0].sum())
    own = float(probability([text])[0])
    print(
        repr(pattern),
        repr(text),
        "tokens",
        list(explanation.data[0]),
        f"values add up to {total:.2f}, prediction {own:.2f}, text itself asked: {asked}",
    )
    cut = pattern == r"\W+" and text.endswith("!")
    assert asked != cut
    assert ("".join(explanation.data[0]) == text) != cut
    assert abs(total - (0.4 if cut else 0.7)) < 1e-6 and abs(own - 0.7) < 1e-6
PY
