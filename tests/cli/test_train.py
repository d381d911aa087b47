"""fastlstm train."""

import gzip
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastlstm
from fastlstm.classifier.held_out import hold_out
from fastlstm.cli.scores import print_comparison, standard_error, too_close
from fastlstm.data.tables import read_table
from fastlstm.evaluation import Score
from fastlstm.training.loop import Trainer
from tests.helpers import without_bfloat16

from .conftest import english_rows, failure, invoke, only_json, python, tiny_settings, write_csv

CHINESE = {"积极": "味道很好，非常满意", "消极": "太差了，再也不来", "中性": "一般，还可以"}


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def train(*arguments, more=(), stdin=None):
    return invoke("train", *arguments, *tiny_settings(*more), stdin=stdin)


def test_report(reviews, tmp_path):
    report = only_json(train(reviews, "--json"))
    assert report["model"] == "reviews.fastlstm"
    assert report["n_train"] == 54
    assert report["n_valid"] == 6
    assert report["classes"] == ["neg", "pos"]
    assert set(report["scores"]) == {"majority", "tfidf", "lstm"}
    assert report["scores"]["majority"]["accuracy"] == 0.5
    assert report["model_bytes"] == (tmp_path / "reviews.fastlstm").stat().st_size
    assert report["truncated_share"] == 0
    assert not report["epoch_chosen_on_valid"]
    # 54 documents are too few to hold some out for early stopping.
    assert report["best_epoch"] is None
    assert report["epochs"] == 6


def test_report_of_early_stopping(reviews):
    report = only_json(train(reviews, "--json", more=["validation_fraction=0.4"]))
    assert 1 <= report["best_epoch"] <= report["epochs"] <= 6


def test_the_model_written_is_the_one_scored(tmp_path):
    # Labels are noisy, so that the accuracy tells models apart.
    rows = [(t, "pos" if i % 5 == 0 else y) for i, (t, y) in enumerate(english_rows(200))]
    source = write_csv(tmp_path / "noisy.csv", rows)
    report = only_json(train(source, "--json", "--seed", "3"))
    table = read_table(source)
    _, held_out = hold_out(table.labels, 0.1, 3)
    texts, labels = [table.texts[i] for i in held_out], [table.labels[i] for i in held_out]
    clf = fastlstm.load("noisy.fastlstm")
    assert clf.score(texts, labels) == report["scores"]["lstm"]["accuracy"]
    assert clf.random_state == 3
    assert clf.verbose == 0


def test_runs_repeat(reviews, tmp_path):
    probabilities = []
    for number in range(2):
        path = tmp_path / f"{number}.fastlstm"
        assert train(reviews, "--out", path, "--quiet").exit_code == 0
        probabilities.append(fastlstm.Predictor(path).predict_proba(["a great film"]).tolist())
    assert probabilities[0] == probabilities[1]


def test_for_people(reviews):
    result = train(reviews)
    assert result.exit_code == 0, result.output
    for part in (
        "60 documents", "2 classes: neg (30), pos (30).", "majority class", "TF-IDF",
        " fastlstm  ", "tokens/s", "max_length=400", "Model: reviews.fastlstm",
        "fastlstm evaluate reviews.fastlstm FILE",
        'fastlstm predict reviews.fastlstm "some text"',
    ):  # fmt: skip
        assert part in result.stdout
    for part in ("The baseline wins", "LSTM", "test.csv"):
        assert part not in result.stdout


def test_a_test_file_that_is_there_is_named(reviews, tmp_path):
    write_csv(tmp_path / "test.csv", english_rows(4))
    assert "fastlstm evaluate reviews.fastlstm test.csv\n" in train(reviews).stdout


def test_classes_are_counted_in_their_order(tmp_path):
    rows = [(f"a film of {n} stars, {i}", n) for n in (2, 10, 1) for i in range(10 + n)]
    result = train(write_csv(tmp_path / "stars.csv", rows))
    assert "3 classes: 1 (11), 2 (12), 10 (20).\n" in result.stdout


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ((50, 62, 80), ""),
        ((50, 75, 78), "Too close"),
        ((50, 78, 78), "Too close"),
        ((50, 79, 78), "Too close"),
        ((50, 90, 78), "The baseline wins"),
        ((50, 99, 100), "Too close"),
        ((50, 100, 99), "Too close"),
    ],
)
def test_a_lead_within_a_standard_error_decides_nothing(capsys, right, said):
    keys = ("majority", "tfidf", "lstm")
    scores = {key: Score(n / 100, n / 100, 0.0, 2) for key, n in zip(keys, right, strict=True)}
    print_comparison(scores, 100)
    last = capsys.readouterr().out.splitlines()[-1]
    if said:
        assert last.startswith(said)
        shown = f"has accuracy {right[1] / 100:.3f}, fastlstm {right[2] / 100:.3f}."
        assert f"TF-IDF + logistic regression {shown}" in last
    else:
        assert last.startswith("On 100 documents")
    lead = abs(right[2] - right[1]) / 100
    assert too_close(scores, 100) == (lead <= standard_error(scores, 100)) == (said == "Too close")


def test_a_tie_is_no_hint_to_take_the_baseline(reviews):
    result = train(reviews, "--quiet")
    assert "Too close to tell on 6 documents: TF-IDF" in result.stdout
    assert "--valid FILE" in result.stdout and "baseline" not in result.stdout
    report = only_json(train(reviews, "--json", "--force"))
    assert report["too_close"] and not report["baseline_wins"]


@pytest.mark.parametrize(
    ("n_classes", "said"),
    [
        ((1, 1, 1), "over 1 class, the only one that occurs there or is predicted."),
        ((1, 2, 1), "over 1 to 2 classes, those that occur there or are predicted."),
        ((3, 3, 3), "over 3 classes, those that occur there or are predicted."),
    ],
)
def test_of_how_many_classes_macro_f1_is_the_mean(capsys, n_classes, said):
    keys = ("majority", "tfidf", "lstm")
    scores = {key: Score(0.5, 0.5, 0.0, n) for key, n in zip(keys, n_classes, strict=True)}
    print_comparison(scores, 100)
    assert f"macro-F1 is the mean {said}\n" in capsys.readouterr().out


def test_quiet_leaves_out_the_data_but_not_the_result(reviews):
    result = train(reviews, "--quiet")
    assert "TF-IDF" in result.stdout
    assert "classes:" not in result.stdout
    assert result.stderr == ""


def test_a_baseline_that_wins_is_named(reviews):
    more = ["max_epochs=1", "learning_rate=1e-9"]
    result = train(reviews, "--quiet", more=more)
    assert "The baseline wins: TF-IDF + logistic regression has accuracy 1.000" in result.stdout
    assert "Hint:" in result.stdout
    report = only_json(train(reviews, "--json", "--force", more=more))
    assert report["baseline_wins"] and not report["too_close"]
    assert report["scores"]["lstm"]["accuracy"] < report["scores"]["tfidf"]["accuracy"]


def test_without_early_stopping_the_score_is_not_called_optimistic(reviews):
    result = train(reviews, more=["early_stopping=false"])
    assert "optimistic" not in result.stdout
    report = only_json(train(reviews, "--json", "--force", more=["early_stopping=false"]))
    assert report["epochs"] == 6
    assert not report["epoch_chosen_on_valid"]
    assert "val_accuracy" not in fastlstm.load("reviews.fastlstm").history_[0]


def test_further_documents_without_labels(reviews, tmp_path):
    more = tmp_path / "more.txt"
    more.write_text("a gorgeous wonderful film\na tedious awful film\n" * 20, encoding="utf-8")
    result = train(reviews, "--unlabelled", more)
    assert result.exit_code == 0, result.output
    assert "Documents without labels from" in result.stdout and ": 40." in result.stdout
    assert "gorgeous" in fastlstm.load("reviews.fastlstm").vocabulary_
    report = only_json(train(reviews, "--unlabelled", more, "--json", "--force"))
    assert (report["n_train"], report["n_unlabelled"]) == (54, 40)
    for arguments, message in ((["nothing.txt"], "nothing.txt"), ([more, "--out", more], "--out")):
        result = train(reviews, "--quiet", "--force", "--unlabelled", *arguments)
        assert message in failure(result)


def test_documents_to_score_on_are_left_out_of_those_without_labels(tmp_path):
    rows = english_rows(60)
    source = write_csv(tmp_path / "x.csv", rows)
    valid = write_csv(tmp_path / "v.csv", [("an unseen  gem\nof a film", "pos"), rows[0]])
    more = tmp_path / "more.txt"
    more.write_text("an unseen gem of a film\n\na tedious film\n", encoding="utf-8")
    result = train(source, "--valid", valid, "--unlabelled", more, "--json")
    report = only_json(result)
    assert (report["n_unlabelled"], report["n_unlabelled_left_out"]) == (2, 1)
    assert "1 document is left out, being among the documents to score on; 2 stay" in result.stderr
    known = fastlstm.load("x.fastlstm").vocabulary_
    assert "tedious" in known and "gem" not in known
    # Those held out of the file itself.
    report = only_json(train(source, "--unlabelled", source, "--json", "--force"))
    assert (report["n_unlabelled"], report["n_unlabelled_left_out"]) == (54, 6)
    more.write_text("an unseen gem of a film\n", encoding="utf-8")
    message = failure(train(source, "--valid", valid, "--unlabelled", more, "--json", "--force"))
    assert "its one document is among those to score on" in message


def test_further_documents_are_read_from_the_column_that_the_others_came_from(tmp_path):
    rows = [("a wonderful film", "good"), ("an awful film", "bad")] * 20
    source = write_csv(tmp_path / "ours.csv", rows, ("remark", "verdict"))
    further = [("a gorgeous film", "somebody whose name is long")] * 20
    more = write_csv(tmp_path / "more.csv", further, ("remark", "author"))
    result = train(source, "--unlabelled", more)
    assert result.exit_code == 0, result.output
    known = fastlstm.load("ours.fastlstm").vocabulary_
    assert "gorgeous" in known and "somebody" not in known


def test_half_decoded_text_in_a_file_is_told(tmp_path):
    rows = [("I don\\u2019t like it", "neg"), ("a fine film", "pos")] * 20
    source = write_csv(tmp_path / "odd.csv", rows)
    assert "half-decoded" not in train(source, "--json").stderr  # it is mended
    told = train(source, "--json", "--force", more=['normalize=["html"]']).stderr
    assert "50.0% of the documents hold half-decoded text" in told
    assert "--set normalize=all" in told
    lost = write_csv(tmp_path / "lost.csv", [(f"{text} \ufffd", label) for text, label in rows])
    assert "100.0% of the documents hold text that seems half-decoded or lost" in (
        train(lost, "--json").stderr
    )


def test_both_scripts_of_chinese_in_a_file_are_told(tmp_path):
    simplified = [("服务态度很差，东西也坏了", "neg"), ("质量很好，值得购买", "pos")] * 10
    traditional = [("服務態度很差，東西也壞了", "neg"), ("質量很好，值得購買", "pos")] * 10
    one = train(write_csv(tmp_path / "one.csv", simplified), "--json")
    both = write_csv(tmp_path / "both.csv", simplified + traditional)
    assert "Traditional" not in one.stderr
    told = train(both, "--json").stderr
    assert "50% of the documents are Simplified Chinese and 50% Traditional" in told
    assert "--set zh_script=simplified" in told
    pytest.importorskip("opencc")
    alike = train(both, "--json", "--force", more=["zh_script=simplified"])
    assert alike.exit_code == 0 and "Hint: 50%" not in alike.stderr


def test_validation_file(reviews, tmp_path):
    valid = write_csv(tmp_path / "valid.csv", english_rows(14)[:7])
    report = only_json(train(reviews, "--valid", valid, "--json"))
    assert (report["n_train"], report["n_valid"]) == (60, 7)
    assert report["scores"]["majority"]["accuracy"] == pytest.approx(4 / 7)
    result = train(reviews, "--valid", valid, "--force")
    assert "Documents to score on that are also among the training documents: 7" in result.stdout


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "csv.gz", "jsonl.gz"])
def test_chinese_labels_in_every_format(tmp_path, kind):
    rows = [(f"{text}{i}", label) for i in range(10) for label, text in CHINESE.items()]
    if kind.startswith("jsonl"):
        lines = [json.dumps({"评论": t, "标签": y}, ensure_ascii=False) for t, y in rows]
    else:
        between = "\t" if kind == "tsv" else ","
        lines = [between.join(row) for row in [("评论", "标签"), *rows]]
    path = tmp_path / f"评论.{kind}"
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    report = only_json(train(path, "--json", more=["early_stopping=false", "max_epochs=20"]))
    assert report["model"] == "评论.fastlstm"
    assert report["classes"] == sorted(CHINESE)
    assert report["n_valid"] == 3
    assert report["scores"]["tfidf"]["accuracy"] == 1
    assert report["scores"]["lstm"]["accuracy"] == 1
    result = only_json(invoke("predict", "评论.fastlstm", *CHINESE.values(), "--json"))
    assert [row["label"] for row in result["predictions"]] == list(CHINESE)


def test_columns(tmp_path):
    rows = [(i, label, text, 1) for i, (text, label) in enumerate(english_rows())]
    source = write_csv(tmp_path / "x.csv", rows, ("id", "verdict", "said", "y"))
    options = ("--text-column", "said", "--label-column", "verdict", "--json")
    assert only_json(train(source, *options))["classes"] == ["neg", "pos"]


def test_missing_and_empty_documents(tmp_path):
    path = tmp_path / "x.jsonl"
    rows = [{"text": text, "label": label} for text, label in english_rows()]
    rows[3]["text"] = None
    rows[4]["text"] = ""
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert only_json(train(path, "--json"))["n_train"] == 54
    message = failure(train(path, "--json", "--force", more=["missing=error"]))
    assert "line 4" in message
    assert "missing=empty" in message


def test_an_existing_model_is_kept(reviews, tmp_path):
    path = tmp_path / "reviews.fastlstm"
    path.write_text("mine", encoding="utf-8")
    assert "--force" in failure(train(reviews, "--json"))
    assert path.read_text(encoding="utf-8") == "mine"
    assert train(reviews, "--force", "--quiet").exit_code == 0
    before = path.read_bytes()
    assert "--force" in failure(train(reviews, "--out", path, "--json"))
    assert path.read_bytes() == before
    path.write_text("mine", encoding="utf-8")
    assert "--force" in failure(train(reviews, "--out", path, "--json"))
    assert path.read_text(encoding="utf-8") == "mine"
    assert train(reviews, "--out", path, "--quiet", "--force").exit_code == 0
    assert fastlstm.Predictor(path).classes_.tolist() == ["neg", "pos"]


def test_data_is_never_replaced_by_the_model(reviews, tmp_path):
    before = Path(reviews).read_bytes()
    assert "reads" in failure(train(reviews, "--out", reviews, "--json"))
    valid = write_csv(tmp_path / "valid.csv", english_rows(8))
    assert "reads" in failure(train(reviews, "--valid", valid, "--out", valid, "--json"))
    assert Path(reviews).read_bytes() == before


def test_truncation_warns_in_a_plain_line(reviews):
    result = train(reviews, "--json", more=["max_length=2"])
    assert only_json(result)["truncated_share"] == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Warning: 54 of 54 documents")


def test_non_finite_loss_warns_in_a_plain_line(reviews, tmp_path):
    result = train(reviews, "--json", more=["learning_rate=1e38", "max_grad_norm=none"])
    assert only_json(result)["stopped_by"] == "non_finite_loss"
    assert result.stderr.startswith("Warning: the loss was not finite")
    assert result.stderr.count("\n") == 1
    assert (tmp_path / "reviews.fastlstm").exists()


def test_ctrl_c_keeps_the_model(reviews, monkeypatch):
    update = Trainer._update

    def interrupted(self, *arguments):
        update(self, *arguments)
        if self.state.step == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "_update", interrupted)
    result = train(reviews, "--json")
    report = only_json(result)
    assert report["stopped_by"] == "interrupt"
    assert report["epochs"] == 1
    assert "Ctrl-C" in result.stderr
    assert fastlstm.Predictor("reviews.fastlstm").predict(["a film"])[0] in ("neg", "pos")


# The third step gets a signal; with "twice" the linear part gets another one.
INTERRUPTED = """
import os, signal, sys
from fastlstm.classifier import fit
from fastlstm.cli import main
from fastlstm.training.loop import Trainer

def signalled(*arguments):
    os.kill(os.getpid(), signal.SIGINT)
    sys.exit("the signal had no effect")

def step(self, *arguments):
    update(self, *arguments)
    if self.state.step == 3:
        os.kill(os.getpid(), signal.SIGINT)

update, Trainer._update = Trainer._update, step
if sys.argv.pop(1) == "twice":
    fit._weighed = signalled
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to its process")
def test_a_real_ctrl_c_keeps_the_model(reviews):
    done = python("-c", INTERRUPTED, "once", "train", reviews, *tiny_settings())
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, err
    assert "Warning: Ctrl-C ended fit in epoch 1 of network 1 of 1." in err
    assert "The model so far is in reviews.fastlstm." in err
    assert "Model: reviews.fastlstm" in out
    assert fastlstm.Predictor("reviews.fastlstm").predict(["a film"])[0] in ("neg", "pos")


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to its process")
def test_a_second_real_ctrl_c_ends_the_command(reviews, tmp_path):
    done = python("-c", INTERRUPTED, "twice", "train", reviews, *tiny_settings())
    assert done.returncode == 1
    assert done.stderr.decode().split() == ["Aborted!"]
    assert not (tmp_path / "reviews.fastlstm").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--set", "hiden_size=3"], 1, "Did you mean hidden_size"),
        (["--set", "hidden_size"], 2, "name=value"),
        (["--set", "hidden_size=0"], 1, "--set hidden_size=0: pass a whole number of at least 1"),
        (["--set", "hidden_size=big"], 1, "hidden_size=big: pass a whole number"),
        (["--set", "tokenizer=words"], 1, "tokenizer=words: pass auto, char, jieba or word"),
        (["--set", "precision=half"], 1, "precision=half: pass bfloat16 or float32"),
        (["--set", "backend=cuda"], 1, "backend=cuda: pass auto, cython, numba or reference"),
        (["--set", "class_weight={'meh': 2}"], 1, "'meh'"),
        (["--set", "embedding_dim=1000000000000"], 1, "memory"),
        (["--set", "min_df=1000"], 1, "min_df"),
        (["--text-column", "nothing"], 1, "'nothing'"),
        (["--label-column", "text"], 1, "text"),
        (["--out", "."], 1, "folder"),
        (["--out", "no/such/x.fastlstm"], 1, "no such folder"),
        (["--valid", "absent.csv"], 1, "absent.csv"),
        (["--seed", "-1"], 2, "--seed"),
    ],
)
def test_bad_options(reviews, tmp_path, options, code, message):
    assert message in failure(invoke("train", reviews, "--json", *options), code)
    assert not list(tmp_path.glob("*.fastlstm"))


def test_precision_that_the_cpu_lacks(reviews, tmp_path, monkeypatch):
    without_bfloat16(monkeypatch)
    message = failure(invoke("train", reviews, "--json", "--set", "precision=bfloat16"))
    assert "precision='bfloat16' needs a CPU" in message
    assert not list(tmp_path.glob("*.fastlstm"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "there is no such file"),
        ("x.csv", "", "empty"),
        ("x.pdf", "a", "suffix"),
        ("x.csv", "text,label\na film,good\nb film,good\n", "one class"),
        ("x.csv", "text,label\na film,good\nb film,bad\n", "--valid"),
        ("x.csv", "text,label\na,1\nb,2\nc,3\n", "--label-column"),
        ("x.csv", "text,label\na film,good\nb film,\n", "line 3"),
        ("x.jsonl", '{"text": ["a"], "label": "b"}\n', "line 1"),
        ("x.csv.gz", "no gzip", "gzip"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert message in failure(train(name, "--json"))


def test_validation_labels_must_be_known(reviews, tmp_path):
    valid = write_csv(tmp_path / "valid.csv", [("a film", "pos"), ("so so", "neutral")])
    message = failure(train(reviews, "--valid", valid, "--json"))
    assert "line 3" in message
    assert "'neutral'" in message


def test_jieba_that_is_not_installed(reviews, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rjieba", None)
    assert "fastlstm[zh]" in failure(train(reviews, "--json", more=["tokenizer=jieba"]))


def test_hold_out_is_stratified_and_seeded():
    labels = ["a"] * 100 + ["b"] * 30 + ["c"] * 4 + ["d"]
    train_rows, held_out = hold_out(labels, 0.1, 0)
    assert sorted([*train_rows, *held_out]) == list(range(135))
    assert [sum(labels[row] == label for row in held_out) for label in "abcd"] == [10, 3, 1, 0]
    assert np.array_equal(hold_out(labels, 0.1, 0)[1], held_out)
    assert not np.array_equal(hold_out(labels, 0.1, 1)[1], held_out)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1), st.integers(0, 9))
def test_hold_out_leaves_each_class_of_two_on_both_sides(labels, seed):
    sides = [{labels[row] for row in rows} for rows in hold_out(labels, 0.1, seed)]
    for label in set(labels):
        several = labels.count(label) > 1
        assert [label in side for side in sides] == [True, several]


def test_a_file_without_header_is_refused(tmp_path):
    source = write_csv(tmp_path / "bare.csv", english_rows(20), header=("a fine film", "pos"))
    assert "seems to have no header" in failure(train(source, "--json"))
