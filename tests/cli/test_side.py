"""Columns beside the text on the command line."""

import csv
import json

import numpy as np
import pytest

import fastlstm
from fastlstm.cli.beside import typed

from .conftest import failure, invoke, only_json, tiny_settings

WORDS = ("the", "film", "was", "long", "and", "we", "saw", "it", "with", "friends", "on", "a")


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, n=160, seed=0, drop=()):
    """Reviews whose label is told by the shop and the price, more than by the words."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        good = bool(rng.integers(0, 2))
        words = " ".join(rng.choice(WORDS, 6))
        price = "" if number % 20 == 0 else f"{rng.normal(30 if good else 20, 4):.2f}"
        shop = "north" if good == (rng.random() < 0.9) else "south"
        rows.append(
            {"text": words, "label": "pos" if good else "neg", "shop": shop, "price": price}
        )
    names = [name for name in rows[0] if name not in drop]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def train(*arguments):
    return only_json(invoke("train", *arguments, "--json", *tiny_settings()))


def test_columns_are_read_where_they_are_asked_for():
    write("reviews.csv")
    alone = train("reviews.csv")
    beside = train("reviews.csv", "--side", "auto", "--force")
    assert beside["scores"]["lstm"]["accuracy"] > alone["scores"]["lstm"]["accuracy"] + 0.1
    clf = fastlstm.load("reviews.fastlstm")
    assert clf.reader_.layout == (("text",), ("shop", "price"))
    assert clf.reader_.features == ["shop=north", "shop=south", "price", "price missing"]
    train("reviews.csv", "--side", "price", "--force")
    assert fastlstm.load("reviews.fastlstm").reader_.layout.side == ("price",)


def test_the_model_is_used_on_files(tmp_path):
    write("reviews.csv")
    write("later.csv", 60, 1)
    train("reviews.csv", "--side", "auto")
    found = only_json(invoke("evaluate", "reviews.fastlstm", "later.csv", "--json"))
    assert found["accuracy"] > 0.75
    answer = only_json(invoke("predict", "reviews.fastlstm", "--file", "later.csv", "--json"))
    assert len(answer["predictions"]) == 60
    shown = only_json(invoke("explain", "reviews.fastlstm", "--file", "later.csv", "--json"))
    assert shown["explanations"][0]["columns"] == ["shop", "price"]
    info = only_json(invoke("info", "reviews.fastlstm", "--json"))
    assert [column["name"] for column in info["columns"]["columns"]] == ["shop", "price"]
    check = only_json(
        invoke("quantize", "reviews.fastlstm", "small.fastlstm", "--check", "later.csv", "--json")
    )
    assert check["check"]["n_documents"] == 60


def test_a_report_of_such_a_model():
    write("reviews.csv")
    train("reviews.csv", "--side", "auto", "--report", "report.html")
    with open("report.html", encoding="utf-8") as file:
        assert "Beside the text" in file.read()


def test_a_file_to_score_on():
    write("reviews.csv")
    write("valid.csv", 60, 2)
    report = train("reviews.csv", "--side", "auto", "--valid", "valid.csv")
    assert report["n_valid"] == 60
    assert report["scores"]["lstm"]["accuracy"] > 0.75


def test_what_does_not_fit():
    write("reviews.csv")
    write("without.csv", drop=["price"])
    train("reviews.csv", "--side", "auto")
    assert "no column 'price'" in failure(
        invoke("predict", "reviews.fastlstm", "--file", "without.csv")
    )
    assert "pass a file" in failure(invoke("predict", "reviews.fastlstm", "some text"))
    for side, message in [
        ("label", "holds the text or the label"),
        ("colour", "no column 'colour'"),
    ]:
        answer = invoke("train", "reviews.csv", "--side", side, "--force", *tiny_settings())
        assert message in failure(answer)
    answer = invoke("train", "reviews.csv", "--side", "auto", "--unlabelled", "reviews.csv")
    assert "do not go together" in answer.stderr
    write("text.csv", drop=["price", "shop"])
    answer = invoke("train", "text.csv", "--side", "auto", *tiny_settings())
    assert "no other column is there" in failure(answer)
    assert json.dumps(answer.exit_code) == "1"


def test_a_row_does_not_depend_on_the_others_of_its_file():
    """A column of keys stays one, whatever its cells look like in a file."""
    header = "text,label,code"
    rows = [
        f"a film,{'pos' if n % 2 else 'neg'},{['0123', '123', 'N/A'][n % 3]}" for n in range(90)
    ]
    for name, lines in [("train.csv", rows), ("few.csv", rows[:2]), ("all.csv", rows[:3])]:
        with open(name, "w", encoding="utf-8") as file:
            file.write("\n".join([header, *lines]) + "\n")
    train("train.csv", "--side", "auto", "--out", "m.fastlstm")
    found = []
    for name in ("few.csv", "all.csv"):
        answer = invoke("predict", "m.fastlstm", "--file", name, "--json", "--proba")
        found.append(only_json(answer)["predictions"])
    assert found[0] == found[1][:2]
    assert "code (" in invoke("info", "m.fastlstm").stdout
    assert typed(["01", "2"]) == ["01", "2"] and typed(["1", "", "0.5"]) == [1.0, None, 0.5]
    answer = invoke("train", "train.csv", "--set", "text_column=text", *tiny_settings())
    assert "pass --text-column instead" in failure(answer)
