"""Docstrings: there, in step with the signatures, and with examples that run."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import fastlstm
from fastlstm.core.errors import BackendError
from fastlstm.kernels.registry import available_backends

# Their kernels are documented in the contract.
EXEMPT = {"fastlstm.kernels.reference", "fastlstm.kernels._cython_lstm"}
WITH_EXAMPLES = ["fastlstm.estimator.tokens", "fastlstm.estimator.text",
                 "fastlstm.estimator.vectorizer"]  # fmt: skip


def modules():
    """Every module of the package that can be imported here."""
    found = [fastlstm]
    for info in pkgutil.walk_packages(fastlstm.__path__, "fastlstm."):
        if info.name.rpartition(".")[2] == "__main__":
            continue
        try:
            found.append(importlib.import_module(info.name))
        except (ImportError, BackendError):
            # Only the compiled backend may be missing.
            assert info.name.startswith("fastlstm.kernels."), info.name
    return found


def _plain(thing):
    """The Python function behind a compiled one or a command."""
    for name in ("py_func", "callback"):
        thing = getattr(thing, name, None) or thing
    return thing


def documented_things():
    """(module.name, object) of every public function and class where it is defined."""
    for module in modules():
        if module.__name__ in EXEMPT:
            continue
        for name, thing in vars(module).items():
            thing = _plain(thing)
            mine = getattr(thing, "__module__", None) == module.__name__
            if mine and not name.startswith("_") and callable(thing):
                yield f"{module.__name__}.{name}", thing


def public_methods():
    """(module.class.name, function or property) of the classes that users see."""
    for name in fastlstm.__all__:
        kind = getattr(fastlstm, name)
        if not inspect.isclass(kind):
            continue
        for base in kind.__mro__:
            if base.__module__.startswith("fastlstm."):
                for member, thing in vars(base).items():
                    is_method = inspect.isfunction(thing) or isinstance(thing, property)
                    if is_method and not member.startswith("_"):
                        yield f"{base.__module__}.{base.__name__}.{member}", thing


THINGS = dict(documented_things())
METHODS = dict(public_methods())


def parameters_section(doc):
    """Names in the section "Parameters", in order; None without such a section."""
    _, found, rest = doc.partition("Parameters\n----------\n")
    if not found:
        return None
    section = re.split(r"\n\n?[A-Z][A-Za-z ]+\n-{3,}", rest)[0]
    heads = [line for line in section.splitlines() if line and not line[0].isspace()]
    return [name.strip(" *") for head in heads for name in head.split(" : ")[0].split(",")]


def signature(thing):
    names = list(inspect.signature(thing).parameters)
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def disagreement(thing):
    """How the section "Parameters" differs from the signature; "" where it does not.

    Functions that begin with a backend ``k`` may leave out what all of them take
    (backend, workspace, configuration and packed weights): it is described once.
    """
    documented = parameters_section(inspect.getdoc(thing) or "")
    if documented is None:
        return ""
    real = signature(thing)
    if len(set(documented)) != len(documented):
        return f"documented twice: {documented}"
    extra = set(documented) - set(real)
    missing = set() if real[:1] == ["k"] else set(real) - set(documented)
    return f"not in the signature: {extra}, not documented: {missing}" if extra | missing else ""


def test_all_of_the_package_is_looked_at():
    assert len(modules()) > 35
    if available_backends()["numba"] == "ok":
        assert "fastlstm.kernels.numba.products.matmul" in THINGS
    for name in ("fastlstm.kernels.layout.Layout", "fastlstm.network.forward.forward",
                 "fastlstm.estimator.tokens.LSTMClassifier",
                 "fastlstm.training.optim.optimizers.adam",
                 "fastlstm.core.threads.ShardPool"):  # fmt: skip
        assert name in THINGS
    for name in ("fit", "partial_fit"):
        assert f"fastlstm.estimator.base.BaseLSTM.{name}" in METHODS
    for name in ("predict", "predict_proba", "decision_function"):
        assert f"fastlstm.estimator.predicting.Predicting.{name}" in METHODS
    assert "fastlstm.estimator.base.BaseLSTM.save" in METHODS
    assert "fastlstm.predictor.Predictor.predict" in METHODS


def test_modules_have_docstrings():
    assert [module.__name__ for module in modules() if not (module.__doc__ or "").strip()] == []


@pytest.mark.parametrize("name", THINGS)
def test_public_thing_has_a_docstring(name):
    doc = THINGS[name].__doc__ or ""
    # A NamedTuple or dataclass without one gets its signature instead.
    assert doc.strip() and not doc.startswith(name.rpartition(".")[2] + "(")


@pytest.mark.parametrize("name", METHODS)
def test_public_method_has_a_docstring(name):
    assert (METHODS[name].__doc__ or "").strip()


def test_documented_parameters_are_those_of_the_signature():
    wrong = {}
    for name, thing in {**THINGS, **METHODS}.items():
        if not isinstance(thing, property) and disagreement(thing):
            wrong[name] = disagreement(thing)
    assert wrong == {}


def test_sections_are_read():
    sections = [parameters_section(inspect.getdoc(thing) or "") for thing in THINGS.values()]
    assert sum(section is not None for section in sections) > 30
    assert parameters_section(inspect.getdoc(fastlstm.load)) == ["path", "tokenizer"]
    text = parameters_section(inspect.getdoc(fastlstm.LSTMSentimentClassifier))
    assert {"tokenizer", "num_layers", "verbose", "precision"} <= set(text)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name):
    result = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_public_class_of_the_estimators_has_an_example():
    for name in ("LSTMClassifier", "LSTMSentimentClassifier", "SequenceVectorizer"):
        assert ">>> " in getattr(fastlstm, name).__doc__


# -- the checks themselves can fail ------------------------------------------------


def _agrees(a, b, c):
    """Text.

    Parameters
    ----------
    a, b : int
        Of two.
    c : {"x", "y"}, default="x"

    Returns
    -------
    d : int
    """


def _misses_one(a, b):
    """Text.

    Parameters
    ----------
    a : int
    """


def _has_one_too_many(a):
    """Text.

    Parameters
    ----------
    a : int
    b : int
        No longer there.
    """


def _leaves_out_the_backend(k, work, x):
    """Text.

    Parameters
    ----------
    x : float array
    """


def _invents_with_a_backend(k, x):
    """Text.

    Parameters
    ----------
    x, y : float arrays
    """


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (_agrees, ""),
        (_misses_one, "not documented: {'b'}"),
        (_has_one_too_many, "not in the signature: {'b'}"),
        (_leaves_out_the_backend, ""),
        (_invents_with_a_backend, "not in the signature: {'y'}"),
    ],
)
def test_disagreement_is_found(function, wrong):
    assert wrong in disagreement(function)
    assert bool(wrong) == bool(disagreement(function))
