"""The comparison of libraries still fits the package; nothing is said about speed."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastlstm.kernels.instructions import cpu_instructions

COMPARE = Path(__file__).parents[1] / "benchmarks" / "compare.py"


@pytest.mark.parametrize(
    "case, table",
    [("tweets", "speed"), ("seed_inference", "all ways"), ("one_document", "latency"),
     ("mixed_lengths", "mixed lengths")],
)  # fmt: skip
def test_each_kind_of_case_runs(case, table, tmp_path, monkeypatch):
    if not COMPARE.exists():
        pytest.skip("benchmarks are not here")
    command = [sys.executable, COMPARE, "--quick", "--case", case, "--library", "fastlstm"]
    run = subprocess.run(
        [*command, "--out", tmp_path], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / f"{case}.json").read_text(encoding="utf-8"))
    assert result["instructions"] == cpu_instructions()
    numbers = json.dumps(result.get("us_per_token") or result["summary"])
    assert "fastlstm" in numbers
    if case != "mixed_lengths":
        assert result["peak_mib"]["fastlstm"] > 0
    monkeypatch.syspath_prepend(str(COMPARE.parent))
    import report

    assert f"({cpu_instructions()})" in report.TABLES["machine"](tmp_path)
    lines = report.TABLES[table](tmp_path).splitlines()
    assert any("share of" in cell and "peak" in cell for cell in lines[0].split("|"))
    assert "fastlstm" in lines[0] + lines[2]
    assert {line.count("|") for line in lines} == {lines[0].count("|")}


def test_tasks_of_a_fit_are_timed_and_scheduled(tmp_path):
    if not COMPARE.exists():
        pytest.skip("benchmarks are not here")
    command = [sys.executable, COMPARE.with_name("scaling.py"), "--quick", "--out", tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert "SIMULATION" in run.stdout
    result = json.loads((tmp_path / "scaling.json").read_text(encoding="utf-8"))
    phases = result["phases"]
    assert phases["network 2"]["after"] == ["skip-gram", "linear part"]
    assert phases["linear part"]["after"] == ["n-grams"]
    assert {"network", "network 3", "linear part"} <= set(phases["held-out scoring"]["after"])
    total = sum(phase["seconds"] for phase in phases.values())
    assert total == pytest.approx(result["seconds_while_timed"])
    simulated = result["simulated_seconds"]
    assert simulated["1"] == pytest.approx(total)
    for threads, seconds in simulated.items():
        assert seconds >= total / int(threads) * (1 - 1e-9)
    assert set(result["measured_seconds"]) <= {"1", "2"}


def test_the_simulated_schedule(monkeypatch):
    """Of graphs whose shortest schedules are plain to see."""
    if not COMPARE.exists():
        pytest.skip("benchmarks are not here")
    monkeypatch.syspath_prepend(str(COMPARE.parent))
    from scaling import Phase, simulate

    lanes = {"a": Phase((), [[1.0], [2.0, 2.0, 2.0], [1.0]])}
    assert [simulate(lanes, n) for n in (1, 2, 3, 64)] == [8, 6, 4, 4]
    beside = {"first": Phase((), [[1.0]]), "a": Phase(("first",), [[3.0], [3.0]]),
              "b": Phase(("first",), [[2.0, 2.0]]), "end": Phase(("a", "b"), [[1.0]])}  # fmt: skip
    assert [simulate(beside, n) for n in (1, 2, 3)] == [12, 8, 8]
    # The longest way goes first: two short tasks wait for one end of a long chain.
    chain = {"short": Phase((), [[1.0, 1.0]]), "long": Phase((), [[1.0], [1.0], [1.0]])}
    assert simulate(chain, 2) == 3


def write_review_set(folder):
    """A set of a few documents."""
    folder.mkdir()
    for split, n in (("train", 40), ("dev", 10), ("test", 10)):
        rows = [f"{'good' if i % 2 else 'bad'} film {i}\t{i % 2}" for i in range(n)]
        with gzip.open(folder / f"{split}.tsv.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join(["text\tlabel", *rows]) + "\n")


def test_accuracy_adds_to_its_results(tmp_path):
    """On a set of a few documents, of the name of a real one."""
    program = COMPARE.with_name("accuracy.py")
    if not program.exists():
        pytest.skip("benchmarks are not here")
    write_review_set(tmp_path / "mr")
    for rows in (["majority"], ["tfidf", "nb_lr"]):
        run = subprocess.run(
            [sys.executable, program, "--set", "mr", "--row", *rows, "--out", tmp_path],
            env={**os.environ, "FASTLSTM_REVIEW_SETS": str(tmp_path)}, capture_output=True,
            text=True, timeout=300, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
    found = json.loads((tmp_path / "accuracy.json").read_text(encoding="utf-8"))["sets"]["mr"]
    assert found["n_train"] == 40 and found["n_test"] == 10
    assert set(found["rows"]) == {"majority", "tfidf", "nb_lr"}
    assert found["rows"]["majority"][0]["accuracy"] == 0.5
    assert found["rows"]["tfidf"][0]["accuracy"] == 1.0
    assert found["mcnemar"]["against"] in ("tfidf", "nb_lr")


def test_eight_bits_adds_to_its_results(tmp_path):
    program = COMPARE.with_name("eight_bits.py")
    if not program.exists():
        pytest.skip("benchmarks are not here")
    write_review_set(tmp_path / "mr")
    for seed in (1, 0):
        run = subprocess.run(
            [sys.executable, program, "--set", "mr", "--seeds", str(seed), "--out", tmp_path],
            env={**os.environ, "FASTLSTM_REVIEW_SETS": str(tmp_path)}, capture_output=True,
            text=True, timeout=300, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
    runs = json.loads((tmp_path / "eight_bits.json").read_text(encoding="utf-8"))["sets"]["mr"]
    assert [run["seed"] for run in runs] == [0, 1]
    for run in runs:
        assert {"float32", "rounded"} <= set(run["accuracy"]) and run["n"] == 10
        assert 0 < run["changes"]["rounded"]["largest_change"] < 0.05
        assert run["bytes"][1] < run["bytes"][0]


def test_tables_in_the_documents_are_those_of_the_results():
    if not COMPARE.exists():
        pytest.skip("benchmarks are not here")
    program = (
        "import report; pages = [report.ROOT / page for page in report._PAGES]\n"
        "for page in pages:\n"
        "    text = page.read_text(encoding='utf-8')\n"
        "    assert report.fill(text, report.RESULTS) == text, page\n"
        "print(len(pages))"
    )
    environment = {**os.environ, "PYTHONPATH": str(COMPARE.parent)}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0 and run.stdout.strip() == "4", run.stderr


def compare_revisions(old, new, out, *options):
    """Run the comparison of two installs; its exit status and its results."""
    program = COMPARE.with_name("revisions.py")
    if not program.exists():
        pytest.skip("benchmarks are not here")
    run = subprocess.run(
        [sys.executable, program, old, new, "--backend", "auto", "--quick", "--out", out, *options],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert out.exists(), run.stderr
    return run.returncode, json.loads(out.read_text(encoding="utf-8"))


def test_an_install_does_the_same_as_itself(tmp_path):
    cases = ["deep", "ids", "golden model_last_2_classes", "tweets", "cold start, small"]
    status, found = compare_revisions(
        sys.executable, sys.executable, tmp_path / "revisions.json", "--case", *cases
    )
    assert status == 0
    assert found["bits"]["equal"] and list(found["bits"]["cases"]) == cases[:3]
    assert {"weights", "probabilities", "lrp"} <= set(found["bits"]["cases"]["deep"]["hashes"])
    files = found["files"]["files"]
    assert found["files"]["equal"] and all(case["same_written_anew"] for case in files.values())
    assert {"text", "ids", "ids_version_1", "text_version_1", "text_version_2"} <= set(files)
    speed = found["speed"]["cases"]
    assert list(speed) == cases[3:]
    assert set(speed["tweets"]["summary"]) == {"epoch", "fit", "predict"}
    for case in speed.values():
        assert all(s["old_ms"] > 0 and s["new_ms"] > 0 for s in case["summary"].values())


@pytest.mark.skipif(os.name != "posix", reason="a script stands for another Python")
def test_an_install_that_rounds_differently_is_found(tmp_path):
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nFASTLSTM_BACKEND=reference exec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    status, found = compare_revisions(
        sys.executable, other, tmp_path / "revisions.json",
        "--only", "bits", "--case", "vectorizer", "golden model_last_2_classes",
    )  # fmt: skip
    assert status == 1
    cases = found["bits"]["cases"]
    assert [case["equal"] for case in cases.values()] == [True, False]
    golden = cases["golden model_last_2_classes"]
    assert golden["old"]["hashes"]["weights"] != golden["new"]["hashes"]["weights"]
    assert golden["old"]["hashes"]["classes"] == golden["new"]["hashes"]["classes"]
