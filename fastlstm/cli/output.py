"""Writing to standard output: tables for people, one JSON object for machines."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import Literal

import click

from fastlstm.core.shown import plain

_WIDTH_OF_PIPE = 120


def console():
    """A rich console on standard output that prints texts as they are."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH_OF_PIPE
    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False, width=width)


def print_table(header: list[str], rows: list[list], n_text: int = 1) -> None:
    """Print a table; the first ``n_text`` columns hold text, the others numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(header):
        justify: Literal["left", "right"] = "left" if position < n_text else "right"
        table.add_column(plain(name), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    console().print(table)


def print_pairs(pairs: dict[str, object]) -> None:
    """Print names and values in two columns."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(plain(name), plain(value))
    console().print(table)


def print_json(value: dict) -> None:
    """Print one JSON object on one line.

    Characters that standard output cannot encode are written as JSON escapes.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = json.dumps(value, allow_nan=False)
    click.echo(text)


def human_size(n_bytes: int) -> str:
    """As ``1.2 MB``."""
    from rich.filesize import decimal

    return decimal(n_bytes)


def quoted(path: str | os.PathLike[str]) -> str:
    """A file name as the shell wants to see it."""
    text = os.fspath(path)
    return subprocess.list2cmdline([text]) if os.name == "nt" else shlex.quote(text)


def counted(n: int, noun: str) -> str:
    """A number and its noun: "1 document", "2 documents"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def listed(values, limit: int = 12) -> str:
    """Values separated by commas; of many only the first ``limit``."""
    values = [plain(value) for value in values]
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(values[:limit]) + more
