"""Other explainers on the classifier as it is."""

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "explain_with_others.py"


@pytest.fixture(scope="module")
def example():
    if not EXAMPLE.exists():
        pytest.skip("the examples are not here")
    return runpy.run_path(str(EXAMPLE))


@pytest.fixture(scope="module")
def clf(example):
    return example["fitted"]()


@pytest.mark.filterwarnings("default")  # theirs
def test_lime(example, clf):
    pytest.importorskip("lime")
    weights = example["with_lime"](clf)
    assert min(weights["love"], weights["wonderful"]) > 0 > weights["terrible"]


@pytest.mark.filterwarnings("default")  # theirs
def test_shap(example, clf):
    pytest.importorskip("shap")
    values = example["with_shap"](clf)
    assert min(values["love"], values["wonderful"]) > 0 > values["terrible"]
