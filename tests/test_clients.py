"""The scripts of tests/clients say what they need and run, and the page has them all.

The scripts themselves run outside the tests: ``python tests/clients/run.py``.
"""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("tomllib", reason="metadata of scripts are read with Python 3.11 or newer")

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "reference" / "clients.md"


@pytest.fixture(scope="module")
def run():
    """The module that runs the scripts."""
    path = REPOSITORY / "tests" / "clients" / "run.py"
    spec = importlib.util.spec_from_file_location("clients_run", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_table_is_that_of_the_scripts(run):
    if not PAGE.exists():
        pytest.skip("the documentation is not part of this tree")
    table = PAGE.read_text(encoding="utf-8").partition(run.BEGIN)[2].partition(run.END)[0]
    rows, clients = run.rows_of(table.replace(run.HEADER, "")), run.clients()
    assert len(clients) > 15
    assert rows.keys() == clients.keys(), "run tests/clients/run.py with --table"
    for name, client in clients.items():
        result = "fails: " if client.fails else "works"
        assert f"| {client.what} | {result}" in rows[name], name
        assert f"| {client.known}" in rows[name], name


SCRIPT = '''# /// script
# dependencies = ["some-client[extra]>=2", "other"]
# [tool.client]
# fails = "no such"
# ///
"""Runs a
thing.

One is to know.
Another.
"""
'''


def test_script_says_what_it_needs_and_runs(run, tmp_path):
    path = tmp_path / "with_some_client.py"
    path.write_text(SCRIPT, encoding="utf-8")
    client = run.Client(path)
    assert (client.name, client.packages) == ("some-client", ["some-client", "other"])
    assert client.dependencies == ["some-client[extra]>=2", "other"]
    assert (client.what, client.known) == ("Runs a thing.", "One is to know. Another.")
    assert client.fails == "no such"
    other = path.rename(tmp_path / "with_other.py")
    with pytest.raises(ValueError, match="name it after that"):
        run.Client(other)
    other.write_text('"""Nothing."""\n', encoding="utf-8")
    with pytest.raises(ValueError, match="does not begin with the metadata"):
        run.Client(other)


def test_rows_are_replaced_one_by_one(run, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{run.BEGIN}\n{run.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(run, "clients", lambda: {"a": None, "b": None})
    run.write_table(page, {"b": "| b | 1 |", "gone": "| gone | 1 |"})
    run.write_table(page, {"a": "| a | 2 |"})
    table = f"{run.HEADER}| a | 2 |\n| b | 1 |\n"
    expected = f"before\n{run.BEGIN}\n{table}{run.END}\nafter\n"
    assert page.read_text(encoding="utf-8") == expected
    page.write_text("nothing here\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no place for a table"):
        run.write_table(page, {"a": "| a | 2 |"})


def test_command_that_fails_says_what_it_wrote(run):
    code = "import sys; print('one'); sys.exit('two')"
    with pytest.raises(run.CommandError, match=r"(?s)one.*two"):
        run.call([run.sys.executable, "-c", code])
    with pytest.raises(run.CommandError, match="no end after"):
        run.call([run.sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.5)
    assert run.call([run.sys.executable, "-c", "print('fine')"]) == "fine\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Traceback:\n  x\nValueError: bad | row", "ValueError: bad \\| row"),
        ("a.b.SomeError: one\n\nand more", "a.b.SomeError: one"),
        ("no end after 3 seconds", "no end after 3 seconds"),
        ("Traceback\nAssertionError", "AssertionError"),
    ],
)
def test_last_line_of_an_error(run, text, line):
    assert run.last_line(text) == line
