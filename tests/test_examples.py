"""The programs of examples/ and of the pages: they run, and pages show what is in examples/.

Pages are run with smaller defaults, since most of their programs fit a classifier.
"""

import ast
import builtins
import csv
import http.client
import json
import re
import runpy
import shlex
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastlstm import LSTMSentimentClassifier, datasets
from fastlstm.cli import main

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = REPOSITORY / "examples"
PAGES = [*sorted(REPOSITORY.glob("README*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]
TUTORIALS = {"tutorial.md": "tutorial.py", "tutorial.zh.md": "tutorial_zh.py"}

SMALL = {"n_estimators": 1, "max_epochs": 2, "embedding_dim": 16, "hidden_size": 8}

# What stands in a program that needs a library beside fastlstm's own.
NEEDED = {
    "pandas": "pandas", "tune(": "optuna", "Display": "matplotlib", '"jieba"': "rjieba",
    "zh_script": "opencc",
}  # fmt: skip


def code_blocks(page, language="python"):
    """Blocks of a page in one language; "" are those without a name."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)\n```$", text, flags=re.M | re.S)
    return [block for name, block in blocks if name == language]


def need(program):
    """Skip what needs a library that is not here."""
    for sign, library in NEEDED.items():
        if sign in program:
            pytest.importorskip(library)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a program of examples/ in an empty folder; gives its names."""
    monkeypatch.chdir(tmp_path)

    def of_example(name):
        if not EXAMPLES.exists():
            pytest.skip("the examples are not here")
        need((EXAMPLES / name).read_text(encoding="utf-8"))
        return runpy.run_path(str(EXAMPLES / name))

    return of_example


@pytest.fixture
def small_defaults(monkeypatch):
    """A text classifier that is quick unless it is told otherwise."""
    for name, value in SMALL.items():
        monkeypatch.setitem(LSTMSentimentClassifier.__init__.__kwdefaults__, name, value)


# -- the programs ----------------------------------------------------------------------


def test_text_beside_other_columns(run):
    names = run("pipeline.py")
    assert names["score"] > 0.6  # of three classes
    # Logits of three classes, the domains and two numbers are the features.
    n_domains = names["table"]["domain"][names["train"]].nunique()
    assert names["model"][-1].n_features_in_ == 3 + n_domains + 2


def test_own_vectors(run):
    names = run("own_vectors.py")
    assert names["clf"].vector_coverage_.share_of_text > 0.9
    assert names["clf"].word_vectors == "reviews.vec"


def test_unlabelled_texts(run):
    names = run("unlabelled_texts.py")
    assert min(names["without"], names["with_more"]) > 0.5
    # Words that stand in texts without labels only are known.
    of_labelled = LSTMSentimentClassifier(**SMALL).fit(names["texts"], names["labels"])
    assert len(names["clf"].vocabulary_) > len(of_labelled.vocabulary_)


def test_thresholds(run):
    names = run("thresholds.py")
    tuned, careful, texts = names["tuned"], names["careful"], names["test_texts"]
    chances = tuned.estimator_.predict_proba(texts)[:, 1]
    assert 0 < tuned.best_threshold_ < 0.5  # recall counts double
    assert (tuned.predict(texts) == (chances >= tuned.best_threshold_)).all()
    assert (careful.predict(texts) == (chances >= 0.2)).all()


def test_report(run, small_defaults):
    errors = run("report.py")["errors"]
    assert "Calibration" in Path("report.html").read_text(encoding="utf-8")
    assert len(errors) == 5
    page = Path("errors.html").read_text(encoding="utf-8")
    assert page.count("<article") == 5


@pytest.fixture(scope="module")
def explained():
    """The names of the example, and its classifier."""
    if not EXAMPLES.exists():
        pytest.skip("the examples are not here")
    names = runpy.run_path(str(EXAMPLES / "explain_with_others.py"))
    return names, names["fitted"]()


@pytest.mark.filterwarnings("default")  # theirs
def test_lime(explained):
    pytest.importorskip("lime")
    names, clf = explained
    weights = names["with_lime"](clf)
    assert min(weights["love"], weights["wonderful"]) > 0 > weights["terrible"]


@pytest.mark.filterwarnings("default")  # theirs
def test_shap(explained):
    pytest.importorskip("shap")
    names, clf = explained
    values = names["with_shap"](clf)
    assert min(values["love"], values["wonderful"]) > 0 > values["terrible"]


# -- the tutorials ---------------------------------------------------------------------


def ask(port, body, announced=None):
    """Status and answer of a request to the service, which may announce another length."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {} if announced is None else {"Content-Length": str(announced)}
    try:
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("program", TUTORIALS.values())
def test_tutorial(run, program):
    names = run(program)
    assert names["clf"].score(names["test_texts"], names["test_labels"]) > 0.6
    predictor = names["predictor"]
    # That is the name of the model that the page's command writes.
    assert not Path("reviews.fastlstm").exists()
    server = run("serve.py")["make_server"]("from_python.fastlstm", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        port = server.server_address[1]
        text = names["test_texts"][0]
        status, (chances,) = ask(port, json.dumps([text]))
        assert status == 200
        assert list(chances) == predictor.classes_.tolist()
        assert list(chances.values()) == predictor.predict_proba([text])[0].tolist()
        assert ask(port, "[]") == (200, [])
        for wrong in ("", "{", '{"texts": []}', '["a", null]', "[" * 100_000):
            status, answer = ask(port, wrong)
            assert status == 400 and "error" in answer
        # It answers before it would read so much, so none of it is sent.
        status, answer = ask(port, "", announced=1_000_001)
        assert status == 400 and "error" in answer
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", TUTORIALS)
def test_commands_of_the_tutorial(name, tmp_path, monkeypatch, small_defaults):
    page = REPOSITORY / "docs" / "tutorial" / name
    if not page.exists():
        pytest.skip("the documentation is not here")
    monkeypatch.chdir(tmp_path)
    exec((EXAMPLES / TUTORIALS[name]).read_text("utf-8").partition("texts, labels = ")[0], {})
    lines = "\n".join(code_blocks(page, "")).splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("fastlstm ")]
    assert [command[0] for command in commands] == ["train", "evaluate", "explain"]
    for command in commands:
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    assert Path("report.html").exists()


# -- the pages -------------------------------------------------------------------------


def test_pages_have_programs():
    if not (REPOSITORY / "docs").exists():
        pytest.skip("the documentation is not here")
    assert sum(bool(code_blocks(page)) for page in PAGES) > 10


# The seconds that a page gives a search may be too few here.
@pytest.mark.filterwarnings("ignore:no trial of the search:UserWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_programs_of_a_page_run(page, tmp_path, monkeypatch, small_defaults):
    """Blocks that stand in examples/ are run there, the others here, in their order."""
    examples = [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")]
    blocks = code_blocks(page)
    own = [block for block in blocks if not any(block in example for example in examples)]
    if "tutorial" in page.name:
        assert blocks and not own
    need("\n".join(own))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    if page.stem == "data_files":
        write_reviews("reviews.csv")
    names = {}
    for block in own:
        exec(compile(block, str(page), "exec"), names)


def unbound(blocks):
    """Names that programs use and that no block up to there makes or imports."""
    bound, lost = set(dir(builtins)) | {"__file__", "__name__"}, set()
    for block in blocks:
        nodes = list(ast.walk(ast.parse(block)))
        for node in nodes:
            if isinstance(node, ast.alias):
                bound.add(node.asname or node.name.partition(".")[0])
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                bound.add(node.name)
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                bound.add(node.name)
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                bound.add(node.id)
        lost |= {node.id for node in nodes if isinstance(node, ast.Name)} - bound
    return lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_programs_of_a_page_lack_no_import(page):
    """Whoever copies the blocks of a page in their order can run them."""
    assert unbound(code_blocks(page)) == set()


def test_lost_names_are_found():
    blocks = [
        "import os.path as p\nfor i in range(3):\n    print(p, i)",
        "def f(a):\n    return a + b",
    ]
    assert unbound(blocks) == {"b"}
    assert unbound(["x", "x = 1"]) == {"x"}
    assert unbound(["try:\n    pass\nexcept OSError as e:\n    print(e)"]) == set()


def write_reviews(path):
    """A file of some reviews."""
    reviews = datasets.load_reviews(language="en", split="test")
    rows = zip(reviews.texts, reviews.labels, strict=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
