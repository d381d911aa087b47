"""A page in a headless Chromium: what it became, what it logged, what it asked for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

# What a browser does of its own accord is not the page's doing.
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--hide-scrollbars",
)  # fmt: skip


class Visit(NamedTuple):
    """What opening a page gave: its elements, console lines and requests."""

    dom: str
    console: list[str]
    requests: list[str]

    def elements(self, tag: str) -> int:
        """How many elements of a kind the browser made."""
        return self.parsed().tags.count(tag)

    def parsed(self) -> Elements:
        parser = Elements()
        parser.feed(self.dom)
        return parser


class Elements(HTMLParser):
    """Tags and text of a document."""

    def __init__(self):
        super().__init__()
        self.tags, self.text, self.handlers = [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


def visit(page: str, folder: Path, name: str, *options: str) -> Visit:
    """Open a page and keep a screenshot of it.

    The screenshot goes to $FASTLSTM_ARTIFACTS or, without it, to a folder that git ignores.
    """
    file, net = folder / f"{name}.html", folder / f"{name}.net.json"
    file.write_text(page, encoding="utf-8")
    kept = Path(os.environ.get("FASTLSTM_ARTIFACTS") or Path(__file__).parents[1] / "artifacts")
    kept.mkdir(parents=True, exist_ok=True)
    command = [
        CHROMIUM, *_QUIET, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={net}",
        "--enable-logging=stderr", "--log-level=0", "--virtual-time-budget=2000", *options,
    ]  # fmt: skip
    for output in ("--dump-dom", f"--screenshot={kept / name}.png"):
        run = subprocess.run(
            [*command, output, file.as_uri()], capture_output=True, text=True, timeout=120,
            encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        if output == "--dump-dom":
            dom, log = run.stdout, run.stderr
            requests = _requests(net)
    console = [line for line in log.splitlines() if re.search(r":CONSOLE[:(]", line)]
    return Visit(dom, console, requests)


def _requests(net_log: Path) -> list[str]:
    """Addresses that a page asked for, files not counted.

    What the browser asks for of its own accord has no origin as its initiator.
    """
    text = net_log.read_text(encoding="utf-8")
    if not text.rstrip().endswith("}"):  # a log that was cut off at the end of the process
        text = text.rstrip().rstrip(",") + "]}"
    events = json.loads(text)["events"]
    started = [event.get("params", {}) for event in events]
    return sorted(
        {
            params["url"]
            for params in started
            if params.get("initiator", "not an origin") != "not an origin"
            and not params["url"].startswith(("file:", "data:", "chrome"))
        }
    )
