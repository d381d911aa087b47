"""fastlstm evaluate, against scikit-learn's metrics on what predict says."""

import gzip
import json

import pytest
from sklearn.metrics import classification_report, confusion_matrix

from fastlstm.estimator import LSTMSentimentClassifier
from fastlstm.evaluation import expected_calibration_error

from .conftest import english_rows, failure, invoke, only_json, write_csv

# Some labels are wrong on purpose, so that no score is 0 or 1.
ROWS = [
    (text, ("neg" if label == "pos" else "pos") if i % 7 == 0 else label)
    for i, (text, label) in enumerate(english_rows(50))
]


@pytest.fixture
def labelled(tmp_path):
    return write_csv(tmp_path / "test.csv", ROWS)


def test_scores(model, labelled):
    result = only_json(invoke("evaluate", model, labelled, "--json"))
    rows = only_json(invoke("predict", model, "--file", labelled, "--json", "--proba"))[
        "predictions"
    ]
    true, predicted = [label for _, label in ROWS], [p["label"] for p in rows]
    report = classification_report(true, predicted, output_dict=True)
    keys = {"accuracy", "macro_f1", "calibration_error", "per_class", "confusion_matrix", "labels"}
    assert set(result) == keys | {"n", "macro_f1_classes", "classes_without_documents"}
    assert result["macro_f1_classes"] == 2 and result["classes_without_documents"] == []
    confidence = [max(p["probabilities"].values()) for p in rows]
    right = [p == label for p, label in zip(predicted, true, strict=True)]
    expected = expected_calibration_error(confidence, right)
    assert result["calibration_error"] == pytest.approx(expected, abs=1e-9)
    assert result["n"] == 50
    assert result["labels"] == ["neg", "pos"]
    assert result["accuracy"] == pytest.approx(report["accuracy"])
    assert 0.5 < result["accuracy"] < 1
    assert result["macro_f1"] == pytest.approx(report["macro avg"]["f1-score"])
    for label in ("neg", "pos"):
        row = report[label]
        row["f1"] = row.pop("f1-score")
        assert result["per_class"][label] == pytest.approx(row)
    assert result["confusion_matrix"] == confusion_matrix(true, predicted).tolist()


def test_table(model, labelled):
    result = invoke("evaluate", model, labelled)
    assert result.exit_code == 0
    for part in ("accuracy 0.8", "macro-F1", "precision", "recall", "true \\ predicted"):
        assert part in result.stdout


@pytest.mark.parametrize("kind", ["tsv", "jsonl", "csv.gz", "jsonl.gz"])
def test_formats(model, labelled, tmp_path, kind):
    if kind.startswith("jsonl"):
        lines = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
    else:
        lines = ["\t".join(row) for row in [("text", "label"), *ROWS]]
    path = tmp_path / f"other.{kind}"
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
    expected = only_json(invoke("evaluate", model, labelled, "--json"))
    assert only_json(invoke("evaluate", model, path, "--json")) == expected


def test_other_columns(model, labelled, tmp_path):
    path = write_csv(tmp_path / "other.csv", [(a, b, "x") for a, b in ROWS], ("what", "is", "y"))
    options = ("--text-column", "what", "--label-column", "is", "--json")
    expected = only_json(invoke("evaluate", model, labelled, "--json"))
    assert only_json(invoke("evaluate", model, path, *options)) == expected


def test_unknown_label_names_its_line(model, tmp_path):
    path = write_csv(tmp_path / "test.csv", [*ROWS[:3], ("so so", "neutral"), ("so", "none")])
    message = failure(invoke("evaluate", model, path, "--json"))
    assert "line 5" in message
    assert "'neutral'" in message
    assert "'neg', 'pos'" in message


def test_a_class_without_documents(model, tmp_path):
    path = write_csv(tmp_path / "test.csv", [row for row in english_rows() if row[1] == "pos"])
    result = invoke("evaluate", model, path, "--json")
    assert only_json(result)["per_class"]["neg"]["support"] == 0
    assert only_json(result)["macro_f1"] == 1.0
    assert only_json(result)["macro_f1_classes"] == 1
    assert only_json(result)["classes_without_documents"] == ["neg"]
    assert "1 class has no document here: 'neg'." in result.stderr
    shown = invoke("evaluate", model, path).stdout
    assert "macro-F1 1.000 (of 1 class)" in shown
    assert "1 class has no document here: 'neg'." in shown


@pytest.mark.parametrize("classes", [(0, 1), (1.0, 2.0), (False, True)])
def test_classes_that_are_no_strings(tmp_path, classes):
    texts = [text for text, _ in english_rows(20)]
    labels = [classes[i % 2] for i in range(20)]
    path = tmp_path / "x.fastlstm"
    clf = LSTMSentimentClassifier(
        max_epochs=1, hidden_size=4, embedding_dim=4, early_stopping=False, random_state=0
    )
    clf.fit(texts, labels).save(path)
    source = write_csv(tmp_path / "test.csv", zip(texts, labels, strict=True))
    result = only_json(invoke("evaluate", path, source, "--json"))
    assert result["labels"] == [str(label) for label in classes]
    assert result["accuracy"] == pytest.approx(clf.score(texts, labels))


def test_cut_documents_are_counted(model, tmp_path):
    path = write_csv(tmp_path / "test.csv", [("great " * 500, "pos"), ("awful", "neg")])
    result = invoke("evaluate", model, path, "--json")
    assert only_json(result)["n"] == 2
    assert "1 of 2 documents" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "there is no such file"),
        ("x.csv", "", "empty"),
        ("x.csv", "text,label\na film\n", "line 2"),
        ("x.csv", "text,label\na film,\n", "no label"),
        ("x.csv", "a,b,c\n1,2,3\n", "--text-column"),
        ("x.txt", "a film\n", "no labels"),
        ("x.docx", "a film\n", "suffix"),
        ("x.jsonl", "{\n", "line 1"),
    ],
)
def test_bad_files(model, tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert message in failure(invoke("evaluate", model, path, "--json"))
