"""Bars and tables beside the work: on standard error, and gone at its end."""

from __future__ import annotations

import re

import pytest

from fastlstm.core.progress import download_bar, live_view, task_bar

EACH = pytest.mark.parametrize(
    ("live", "arguments", "shown"),
    [
        (lambda shown: task_bar("reading", shown), (0.5,), "reading"),
        (download_bar, (1_000_000, 4_000_000), "1.0/4.0 MB"),
        (live_view, ("a table",), "a table"),
    ],
    ids=["task", "download", "view"],
)


@pytest.fixture
def terminal(monkeypatch):
    """Standard error as rich sees a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")


@EACH
def test_nothing_is_shown_where_none_is_wanted(live, arguments, shown, capfd, terminal):
    with live(False) as report:
        assert report is None
    assert capfd.readouterr() == ("", "")


@EACH
def test_on_a_terminal(live, arguments, shown, capfd, terminal):
    with live(True) as report:
        report(*arguments)
        print("of others")
    out, err = capfd.readouterr()
    assert out == "of others\n"
    assert shown in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)
    assert err.count("\x1b[?25l") == err.count("\x1b[?25h") == 1  # cursor hidden, shown again


@EACH
def test_the_cursor_is_back_after_an_error(live, arguments, shown, capfd, terminal):
    with pytest.raises(RuntimeError, match="no"), live(True) as report:
        report(*arguments)
        raise RuntimeError("no")
    assert capfd.readouterr().err.count("\x1b[?25h") == 1


def test_a_task_leaves_a_line_with_its_seconds(capfd, monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    with task_bar("reading", True) as report:
        report(1.0)
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"reading: \d+\.\d s", err.strip())
