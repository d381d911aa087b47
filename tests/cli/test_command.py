"""The command as a whole: help, imports, encodings, pipes, plain failures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastlstm

from .conftest import english_rows, failure, invoke, python, write_csv

COMMANDS = ("train", "tune", "evaluate", "predict", "explain", "quantize", "info", "demo")
HEAVY = ("numpy", "numba", "sklearn", "scipy", "rich", "pandas")


def test_version():
    result = invoke("--version")
    assert result.exit_code == 0
    assert fastlstm.__version__ in result.stdout


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_all_commands(flag):
    result = invoke(flag)
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_and_json(name):
    result = invoke(name, "-h")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_import_is_light():
    code = f"import sys, fastlstm.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = python("-c", code, text=True)
    assert result.stdout.strip() == "[]", result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["predict", "MODEL", "a film"], ["explain", "MODEL", "a film"], ["evaluate", "MODEL", "FILE"],
     ["info", "MODEL"], ["quantize", "MODEL", "OUT", "--check", "FILE"]],
)  # fmt: skip
def test_scikit_learn_is_not_imported(model, tmp_path, arguments):
    files = {"MODEL": str(model), "FILE": write_csv(tmp_path / "file.csv", english_rows(4))}
    files["OUT"] = str(tmp_path / "small.fastlstm")
    arguments = [files.get(argument, argument) for argument in arguments]
    code = (
        "import sys; from fastlstm.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "sys.exit(any(name.split('.')[0] == 'sklearn' for name in sys.modules))"
    )
    result = python("-c", code, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_runs_as_a_module(model):
    result = python("-m", "fastlstm", "predict", model, "a lovely film", "--json", text=True)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["n"] == 1


def test_failure_of_the_real_process_is_one_line(tmp_path):
    result = python("-m", "fastlstm", "info", tmp_path / "absent.fastlstm", text=True)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}])
@pytest.mark.parametrize("options", [["--proba"], ["--json"]])
def test_terminals_without_utf_8(model, environment, options):
    environment = {"PYTHONUTF8": "0", **environment}
    result = python("-m", "fastlstm", "predict", model, "好电影 ☺", *options, env=environment)
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
    if options == ["--json"]:
        assert json.loads(result.stdout)["predictions"][0]["text"] == "好电影 ☺"


def test_closed_pipe_is_quiet(model, tmp_path):
    # More than a pipe holds, so that the writer meets the closed end.
    source = write_csv(tmp_path / "many.csv", [("film " * 20, "pos")] * 3000)
    command = [sys.executable, "-m", "fastlstm", "predict", model, "--file", source,
               "--text-column", "text", "--drop"]  # fmt: skip
    root = str(Path(fastlstm.__file__).parents[1])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, "PYTHONPATH": root}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout.readline().strip() == b"text,label"
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("content", [b"", b"text,label\n", b"PK\x03\x04 zip", b"\x80\x04."])
@pytest.mark.parametrize("command", [["info"], ["predict", "a film"], ["evaluate", "FILE"]])
def test_files_that_are_no_models(tmp_path, reviews, command, content):
    path = tmp_path / "x.fastlstm"
    path.write_bytes(content)
    name, *rest = [reviews if part == "FILE" else part for part in command]
    assert "x.fastlstm" in failure(invoke(name, path, *rest, "--json"))


def test_damaged_model(model, tmp_path):
    content = bytearray(Path(model).read_bytes())
    content[-5] ^= 1
    path = tmp_path / "x.fastlstm"
    path.write_bytes(content)
    assert "checksum" in failure(invoke("predict", path, "a film"))


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["train"], ["predict"], ["evaluate", "m"], ["train", "f", "--nonsense"]],
)
def test_usage_errors(arguments):
    failure(invoke(*arguments), code=2)
