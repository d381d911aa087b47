"""The comparison of libraries still fits the package; nothing is said about speed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMPARE = Path(__file__).parents[1] / "benchmarks" / "compare.py"


@pytest.mark.parametrize("case", ["tweets", "seed_inference", "one_document"])
def test_each_kind_of_case_runs(case, tmp_path):
    if not COMPARE.exists():
        pytest.skip("benchmarks are not here")
    command = [sys.executable, COMPARE, "--quick", "--case", case, "--library", "fastlstm"]
    run = subprocess.run(
        [*command, "--out", tmp_path], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / f"{case}.json").read_text(encoding="utf-8"))
    assert result["peak_mib"]["fastlstm"] > 0
    numbers = json.dumps(result["summary"] if case == "one_document" else result["us_per_token"])
    assert "fastlstm" in numbers
