"""What the command says of calls that are not meant so: which come first, and in whose words."""

import os
import sys
from pathlib import Path

import pytest

from fastlstm.cli.settings import classifier_of
from fastlstm.estimator import LSTMSentimentClassifier

from .conftest import english_rows, failure, invoke, only_json, tiny_settings, write_csv


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# --- what is checked first ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["train", "tune"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.csv"], "absent.csv: there is no such file"),
        (["x.pdf"], "the suffix"),
        (["x.csv", "--text-column", "reviw"], "did you mean 'review'"),
        (["x.csv", "--set", "hiden_size=3"], "Did you mean hidden_size"),
        (["x.csv", "--set", "hidden_size=x"], "hidden_size=x"),
        (["x.csv", "--valid", "absent.csv"], "absent.csv: there is no such file"),
    ],
)
def test_a_wrong_input_is_told_before_a_model_that_exists(tmp_path, command, arguments, message):
    pytest.importorskip("optuna")
    write_csv("x.csv", english_rows(20), ("review", "label"))
    for name in ("x.pdf", "m.fastlstm"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    assert message in failure(invoke(command, *arguments, "--out", "m.fastlstm"))
    assert (tmp_path / "m.fastlstm").read_text(encoding="utf-8") == "mine"
    # Nothing is described of a file that is not trained on.
    assert "m.fastlstm exists" in failure(invoke(command, "x.csv", "--out", "m.fastlstm"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.fastlstm", "a film"], "absent.fastlstm: there is no such file"),
        (["MODEL", "--file", "absent.csv"], "absent.csv: there is no such file"),
        (["MODEL", "--file", "x.csv", "--text-column", "reviw"], "did you mean 'review'"),
    ],
)
@pytest.mark.parametrize(("command", "out"), [("predict", "--out"), ("explain", "--html")])
def test_so_it_is_for_a_file_of_results(model, tmp_path, command, out, arguments, message):
    write_csv("x.csv", english_rows(4), ("review", "label"))
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    arguments = [model if argument == "MODEL" else argument for argument in arguments]
    assert message in failure(invoke(command, *arguments, out, "mine"))
    assert "mine exists" in failure(invoke(command, model, "a film", out, "mine"))
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("module", "settings", "message"),
    [
        ("rjieba", ["tokenizer=jieba"], "fastlstm[zh]"),
        ("opencc", ["zh_script=simplified"], "fastlstm[zh]"),
        ("gensim.models", ["word_vectors=v.bin"], "fastlstm[vectors]"),
        (None, ["word_vectors=absent.vec"], "absent.vec: there is no such file"),
        (None, ["word_vectors=v.zip"], "the suffix is not .vec"),
    ],
)
def test_what_is_not_installed_is_told_before_data_is_read(
    tmp_path, monkeypatch, module, settings, message
):
    for name in ("v.bin", "v.zip"):
        (tmp_path / name).write_bytes(b"")
    if module is not None:
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "x.csv").write_text("no,labels\nat,all\n", encoding="utf-8")
    options = [part for pair in settings for part in ("--set", pair)]
    assert message in failure(invoke("train", "x.csv", *options))


def test_optuna_is_needed_before_data_is_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    (tmp_path / "x.csv").write_text("no,labels\nat,all\n", encoding="utf-8")
    assert "fastlstm[tune]" in failure(invoke("tune", "x.csv"))


# --- nothing is replaced unasked ---------------------------------------------------------------


@pytest.mark.parametrize("command", ["train", "tune", "demo", "quantize"])
def test_no_command_replaces_a_model_unasked(model, tmp_path, command):
    if command == "tune":
        pytest.importorskip("optuna")
    content = Path(model).read_bytes()
    (tmp_path / "m.fastlstm").write_bytes(content)
    if command == "quantize":
        assert "pass --force" in failure(invoke(command, model, "m.fastlstm"))
        assert "suffix of tables" in failure(invoke(command, model, "m.csv"))
        assert (tmp_path / "m.fastlstm").read_bytes() == content
        return
    given = [] if command == "demo" else [write_csv("x.csv", english_rows(20))]
    assert "--force" in failure(invoke(command, *given, "--out", "m.fastlstm"))
    assert (tmp_path / "m.fastlstm").read_bytes() == content


@pytest.mark.parametrize("name", ["m.csv", "m.CSV.gz", "m.tsv", "m.jsonl", "m.parquet", "m.xlsx"])
def test_a_model_is_not_called_a_table(tmp_path, name):
    write_csv("x.csv", english_rows(20))
    for command in (["train", "x.csv"], ["demo"]):
        message = failure(invoke(*command, "--out", name))
        assert "is a suffix of tables, and a model is written" in message
        assert "--out m" in message and ".fastlstm" in message
    message = failure(invoke("train", "x.csv", "--report", name))
    assert "a page is written" in message and "--report" in message and ".html" in message
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_a_name_of_no_table_is_a_name_for_a_model():
    write_csv("x.csv", english_rows(20))
    more = tiny_settings("max_epochs=1")
    for name in ("m", "m.v1.2", "m.bin"):
        assert invoke("train", "x.csv", "--out", name, "--quiet", *more).exit_code == 0
    message = failure(invoke("train", "x.csv", "--out", os.devnull, "--quiet"))
    assert "no regular file" in message


def test_a_device_has_nothing_to_lose(model):
    assert invoke("predict", model, "a film", "--out", os.devnull).exit_code == 0


# --- in the words of the command line ----------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "wanted"),
    [
        ("early_stopping=yes", "true or false"),
        ("class_weight={positive:2}", 'balanced, JSON such as {"positive": 2} or none, in quotes'),
        ("dropout=1", "a number of at least 0 and below 1"),
        ("learning_rate=0", "a number above 0"),
        ("max_length=no", "a whole number of at least 1, auto or none"),
        ("max_epochs=many", "a whole number of at least 1 or auto"),
        ("pooling=avg", "attention, auto, last, max, mean or mean_max"),
        ("normalize=html", 'all, JSON such as ["decode"] or none, in quotes'),
        ("word_vectors=3", "the name of a file or none"),
        ("n_jobs=all", "a whole number or none"),
        ("wide=no", "nb or none"),
    ],
)
def test_a_wrong_value_of_set(pair, wanted):
    with pytest.raises(ValueError) as caught:
        classifier_of([pair])
    message = str(caught.value)
    assert message.startswith(f"--set {pair}: pass {wanted}")
    assert not any(word in message for word in ("instance", "numpy", "bool", "str ", "dict"))


def test_every_parameter_has_words():
    for name in LSTMSentimentClassifier().get_params():
        with pytest.raises(ValueError) as caught:
            classifier_of([f"{name}={'3.5' if name == 'vocabulary' else '[[0.5]]'}"])
        assert f"--set {name}=" in str(caught.value) and "pass " in str(caught.value)
        assert not str(caught.value).endswith("pass ")


def test_classes_of_weights_are_text_as_labels_of_files_are():
    for pair in ('class_weight={"1": 2, "0": 1}', "class_weight={1: 2, 0: 1}"):
        clf, settings = classifier_of([pair])
        assert clf.class_weight == settings["class_weight"] == {"1": 2, "0": 1}


@pytest.mark.parametrize("command", ["train", "tune"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pooling", "mean"], "--set pooling=mean"),
        (["--hidden-size=3"], "--set hidden_size=3"),
        (["--bidirectional"], "--set bidirectional=VALUE"),
        (["--bidirectional", "--json"], "--set bidirectional=VALUE"),
    ],
)
def test_a_parameter_as_an_option(command, arguments, said):
    message = failure(invoke(command, "x.csv", *arguments), 2)
    assert message.rstrip().endswith(f", but a parameter: {said}")
    assert message.startswith("Error: No such option")
    assert "--set" not in failure(invoke(command, "x.csv", "--nonsense", "3"), 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tune", "x.csv", "--minutes", "five"], "'five' is not a valid number of minutes"),
        (["train", "x.csv", "--seed", "one"], "'one' is not a valid whole number"),
    ],
)
def test_a_wrong_number(arguments, message):
    assert message in failure(invoke(*arguments), 2)


def test_swapped_arguments(model):
    source = write_csv("x.csv", english_rows(4))
    for command, before in (("evaluate", ""), ("predict", "--file "), ("explain", "--file ")):
        message = failure(invoke(command, source, model), 2)
        assert f"the model comes first:\n  fastlstm {command} {model} {before}{source}" in message
        assert invoke(command, model, *before.split(), source).exit_code == 0
    message = failure(invoke("predict", source, "--file", model), 2)
    assert f"fastlstm predict {model} --file {source}" in message


@pytest.mark.parametrize("command", ["info", "evaluate", "predict"])
def test_a_file_that_is_no_model(command):
    source = write_csv("x.csv", english_rows(40))
    rest = {"info": [], "evaluate": [source], "predict": ["a film"]}[command]
    message = failure(invoke(command, source, *rest))
    assert "is not a fastlstm model" in message
    assert not any(word in message for word in ("bytes", "header", "limit"))


# --- rows without a label, and without a text ---------------------------------------------------


def test_rows_without_a_label(model):
    rows = english_rows(40)
    source = write_csv("x.csv", [*rows, ("a film", ""), ("b film", " ")])
    for command in (["train", source], ["evaluate", model, source]):
        assert "leave these rows out: --drop-unlabelled" in failure(invoke(*command))
    result = invoke("train", source, "--drop-unlabelled", "--json", *tiny_settings())
    assert only_json(result)["n_train"] == 36
    assert f"{source}: 2 rows without a label left out.\n" in result.stderr
    result = invoke("evaluate", model, source, "--drop-unlabelled", "--json")
    assert only_json(result)["n"] == 40
    # They serve as documents without labels.
    options = ["--drop-unlabelled", "--unlabelled", source, "--force", "--json"]
    report = only_json(invoke("train", source, *options, *tiny_settings()))
    assert (report["n_train"], report["n_unlabelled"]) == (36, 38)


def test_missing_documents_of_a_model_that_takes_none(tmp_path):
    texts, labels = zip(*english_rows(20), strict=True)
    clf = LSTMSentimentClassifier(
        max_epochs=1, hidden_size=4, embedding_dim=4, n_estimators=1, wide=None, word_vectors=None,
        calibrate=False, random_state=0,
    )  # fmt: skip
    clf.fit(list(texts), list(labels)).save("m.fastlstm")
    (tmp_path / "x.jsonl").write_text(
        '{"text": "a", "label": "pos"}\n{"label": "neg"}\n', encoding="utf-8"
    )
    for command in ("predict", "explain", "evaluate"):
        given = ["--file"] if command != "evaluate" else []
        message = failure(invoke(command, "m.fastlstm", *given, "x.jsonl"))
        assert "x.jsonl: the document on line 2 is missing" in message
        assert "missing='empty'" not in message


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_empty_documents_are_told(model, command):
    rows = english_rows(4)
    source = write_csv("x.csv", [*rows, ("", "pos"), ("  ", "pos")])
    given = ["--file"] if command == "predict" else []
    label = only_json(invoke("predict", model, "", "--json"))["predictions"][0]["label"]
    told = invoke(command, model, *given, source).stderr
    assert f"2 documents are empty: they get {label!r}, by the class shares of the train" in told
    told = invoke(command, model, *given, write_csv("y.csv", [*rows, ("", "pos")])).stderr
    assert "1 document is empty: it gets" in told
    assert "empty" not in invoke(command, model, *given, write_csv("z.csv", rows)).stderr


def test_one_prediction(model):
    assert "Wrote 1 prediction to y.csv." in invoke("predict", model, "a", "--out", "y.csv").stderr
