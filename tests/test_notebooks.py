"""What notebooks and prompts show of lists and data sets, and of bars while they wait."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import warnings

import numpy as np
import pytest
import rich.console

from fastlstm import LSTMSentimentClassifier, datasets
from fastlstm.core.progress import download_bar, live_view, task_bar, text_bar
from fastlstm.core.shown import ShownList, excerpt
from fastlstm.datasets import Imdb
from fastlstm.explain import ConfidentError, Explanation, confident_errors
from tests.helpers import NETWORK_ALONE

REVIEWS = datasets.load_reviews("en", "train")
HOSTILE = "<script>alert(1)</script> \x1b[31m"


@pytest.fixture(scope="module")
def clf():
    settings = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 1, "random_state": 0}
    model = LSTMSentimentClassifier(**{**NETWORK_ALONE, **settings})
    return model.fit(REVIEWS.texts, REVIEWS.labels)


# Lists


def test_a_list_of_explanations_is_a_list(clf):
    found = clf.explain(REVIEWS.texts[:12], method="gradient_x_input")
    assert isinstance(found, list) and len(found) == 12
    first, *others = found
    assert isinstance(first, Explanation) and len(others) == 11
    assert found == list(found) and found + [] == list(found)
    assert [*reversed(found)][0] is found[-1]
    for again in (pickle.loads(pickle.dumps(found)), copy.copy(found), copy.deepcopy(found)):
        assert type(again) is type(found)
        assert [each.text for each in again] == REVIEWS.texts[:12]
    assert type(found[2:4]) is type(found) and found[2:4][0] is found[2]


def test_a_list_of_explanations_shows_itself(clf):
    found = clf.explain([HOSTILE, *REVIEWS.texts[:12]], method="gradient_x_input")
    assert len(repr(found)) < 2000
    assert repr(found).startswith("[<Explanation of '<script>alert(1)</script>")
    assert repr(found).endswith("... 3 more]")
    assert "\x1b" not in repr(found)
    page = found._repr_html_()
    assert page.count("<article>") == 10 and page.count("<style>") == 1
    assert "<p>... and 3 more</p>" in page
    assert "<script>" not in page and "\x1b" not in page
    assert "... " not in repr(found[:10])[-10:] and "<p>... and" not in found[:10]._repr_html_()
    assert repr(found[:0]) == "[]"


def test_errors_show_themselves(clf):
    wrong = [label for label in np.roll(REVIEWS.labels, 1)]
    found = confident_errors(clf, REVIEWS.texts, wrong, n=12)
    assert isinstance(found, list) and isinstance(found[0], ConfidentError)
    row, label, explanation = found[0]
    assert len(repr(found)) < 4000 and f"row={row}" in repr(found)
    assert repr(found).endswith("... 2 more]")
    page = found._repr_html_()
    assert page.count("<article>") == 10
    assert f"<h2>Row {row}: {label}</h2>" in page
    assert found[0]._repr_html_().count("<article>") == 1
    again = pickle.loads(pickle.dumps(found))
    assert type(again) is type(found) and [e.row for e in again] == [e.row for e in found]


def test_lists_without_html_of_their_own():
    with pytest.raises(NotImplementedError):
        ShownList([1])._repr_html_()


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb  c", "a b c"), ("x" * 60, "x" * 60), ("x" * 61, "x" * 57 + "..."), ("", "")],
)
def test_excerpt(text, shown):
    assert excerpt(text) == shown


# Data sets


def test_reviews_show_themselves():
    assert len(repr(REVIEWS)) < 300
    assert repr(REVIEWS).startswith(f"<Reviews of {len(REVIEWS.texts):,} texts (")
    assert "texts, labels, languages, domains, splits" in repr(REVIEWS)
    page = REVIEWS._repr_html_()
    assert page.count("<tr>") == 6
    texts, labels, *_ = REVIEWS
    assert pickle.loads(pickle.dumps(REVIEWS)) == REVIEWS
    assert repr(datasets.load_reviews()._replace(texts=[], labels=[])).startswith("<Reviews of 0")


def test_films_show_themselves():
    films = Imdb([HOSTILE, "fine"], ["negative", "positive"])
    assert repr(films) == "<Imdb of 2 texts (1 negative, 1 positive); fields: texts, labels>"
    assert "<script>" not in films._repr_html_()
    unlabelled = Imdb(["a"], None)
    assert "no labels" in repr(unlabelled)
    assert unlabelled._repr_html_().count("<th>") == 1


# Bars


@pytest.fixture
def notebook(monkeypatch):
    """rich as in a notebook, without ipywidgets; kernels set this variable."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ipywidgets" else find(name)
    )


def test_this_is_how_rich_warns(notebook):
    """So that the test below would fail without the remedy."""
    pytest.importorskip("IPython", reason="rich asks for it before it warns")
    from rich.live import Live

    with pytest.warns(UserWarning, match="ipywidgets"), Live("text"):
        pass


def test_in_a_real_kernel(tmp_path):
    """Where Jupyter is installed: a fit, in a cell, without ipywidgets."""
    pytest.importorskip("ipykernel")
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    if importlib.util.find_spec("ipywidgets") is not None:
        pytest.skip("ipywidgets is installed")
    cell = nbformat.v4.new_code_cell(
        "from fastlstm import LSTMSentimentClassifier, datasets\n"
        "r = datasets.load_reviews('en', 'train')\n"
        "clf = LSTMSentimentClassifier(max_epochs=1, hidden_size=4, verbose=1)\n"
        "clf.fit(r.texts[:60], r.labels[:60])\n"
        "r"
    )
    book = nbformat.v4.new_notebook(cells=[cell])
    client.NotebookClient(book, kernel_name="python3", timeout=120).execute()
    written = "".join(o.text for o in cell.outputs if o.output_type == "stream")
    assert "network 3 of 3, " in written
    assert "ipywidgets" not in written and "\x1b" not in written
    assert "<table>" in cell.outputs[-1].data["text/html"]


@pytest.mark.parametrize(
    ("live", "arguments"),
    [(lambda: task_bar("reading", True), (0.5,)), (lambda: download_bar(True), (1, 2)),
     (lambda: live_view(True), ("a table",))],
    ids=["task", "download", "view"],
)  # fmt: skip
def test_bars_in_a_notebook_do_not_warn(notebook, live, arguments, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with live() as report:
            report(*arguments)
    out, err = capfd.readouterr()
    assert out == "" and "\x1b" not in err


def test_with_ipywidgets_bars_stay_live(monkeypatch):
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert text_bar().console.is_jupyter


def test_a_fit_in_a_notebook_writes_its_lines_and_no_warning(notebook, capfd):
    model = LSTMSentimentClassifier(
        embedding_dim=4, hidden_size=4, max_epochs=1, n_estimators=2, verbose=1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(REVIEWS.texts[:60], REVIEWS.labels[:60])
    out, err = capfd.readouterr()
    assert out == "" and "\x1b" not in err
    assert "network 1 of 2, " in err and "network 2 of 2, " in err
