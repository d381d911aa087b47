"""fastlstm audit, and train with a promise."""

import csv
from pathlib import Path

import numpy as np
import pytest

import fastlstm

from .conftest import failure, invoke, only_json, write_csv

pytest.importorskip("dp_accounting")
pytest.importorskip("randomgen")

SMALL = ["--set", "max_epochs=2", "--set", "embedding_dim=4", "--set", "hidden_size=4"]
ORDINARY = [*SMALL, "--set", "n_estimators=1", "--set", "word_vectors=none"]


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    rows = [(f"a {'great' if i % 2 else 'dull'} film, number {i}", "pos" if i % 2 else "neg")
            for i in range(800)]  # fmt: skip
    return write_csv(tmp_path_factory.mktemp("audit") / "reviews.csv", rows)


def test_train_with_epsilon(source):
    result = invoke("train", source, "--epsilon", "8", *SMALL, "--report", "page.html")
    assert result.exit_code == 0
    assert "Promised: epsilon " in result.stdout and "NOT PRIVATE" not in result.stdout
    assert "cut to" not in result.stdout
    one = fastlstm.load("reviews.fastlstm")
    assert one.privacy_.epsilon <= 8 and not one.privacy_.repeatable and one.random_state is None
    assert "799" not in one.vocabulary_ and "great" in one.vocabulary_
    page = Path("page.html").read_text(encoding="utf-8")
    assert "Promised: " in page and "None of its tokens is that of a single document" in page
    # The noise is another one each time, whatever the seed.
    report = only_json(
        invoke("train", source, "--epsilon", "8", *SMALL, "--force", "--json", "--delta", "1e-4")
    )
    assert report["privacy"]["delta"] == 1e-4 and report["tokens_per_second"] is None
    two = fastlstm.load("reviews.fastlstm")
    assert not np.array_equal(one.predict_proba(["great"]), two.predict_proba(["great"]))


def test_an_ordinary_report_names_tokens_of_one_document(source):
    assert invoke("train", source, *ORDINARY, "--report", "page.html").exit_code == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert "Nothing is promised." in page and "stand in one training document alone" in page
    assert only_json(invoke("train", source, *ORDINARY, "--force", "--json"))["privacy"] is None


def test_redacted(source):
    rows = [("write to ann.lee@home.example now", "pos"), ("call 555 0199", "neg")] * 30
    mixed = write_csv("mixed.csv", rows)
    steps = 'normalize=["html","decode","fold","social","squeeze","redact"]'
    assert invoke("train", mixed, *ORDINARY, "--set", steps, "--quiet").exit_code == 0
    known = fastlstm.load("mixed.fastlstm").vocabulary_
    assert {"email", "000", "0000"} <= set(known)
    assert not {"ann", "lee", "home", "555", "0199"} & set(known)


def test_audit(source):
    found = only_json(invoke("audit", source, *ORDINARY, "--canaries", "50", "--json"))
    assert found["promised"] is None and found["n_canaries"] == 50
    assert found["n_guesses"] >= found["n_correct"] and len(found["exposure"]) == 10
    rare = found["tokens_of_one_document"]
    with open(source, encoding="utf-8") as file:
        numbers = {row["text"].split()[-1] for row in csv.DictReader(file)}
    assert set(rare) <= numbers and len(rare) > 600
    again = only_json(invoke("audit", source, *ORDINARY, "--canaries", "50", "--json"))
    assert again == found


def test_audit_of_a_promise(source):
    result = invoke("audit", source, "--epsilon", "8", *SMALL)
    assert result.exit_code == 0 and "Promised: epsilon " in result.stdout
    assert "refutes" not in result.stdout and "tokens that one document alone" not in result.stdout
    words = invoke("audit", source, *ORDINARY).stdout
    assert "Nothing was promised." in words and "--set min_df=2 leaves them out" in words


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["train", "--delta", "1e-5"], "--delta goes with --epsilon"),
        (["audit", "--delta", "1e-5"], "--delta goes with --epsilon"),
        (["train", "--epsilon", "3", "--side", "auto"], "neither --side nor --unlabelled"),
        (["train", "--epsilon", "0"], "--epsilon"),
        (["train", "--epsilon", "3", "--set", "dropout=0.5", "--quiet"], "dropout=0"),
        (["audit", "--canaries", "0"], "--canaries"),
    ],
)
def test_mistakes(source, arguments, match):
    command, *options = arguments
    code = 1 if "dropout" in match else 2
    assert match in failure(invoke(command, source, *options), code)
