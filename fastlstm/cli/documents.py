"""Documents of ``predict`` and ``explain``: from the command line, a file or standard input."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fastlstm.cli.errors import note
from fastlstm.cli.files import is_model
from fastlstm.cli.output import quoted
from fastlstm.cli.reading import Reading

if TYPE_CHECKING:
    from fastlstm.data.tables import Table


class TextCommand(click.Command):
    """A command whose last arguments are texts."""

    def parse_args(self, ctx, args):
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            error.message += ' A text that begins with a dash goes after "--".'
            raise


def given_documents(command, model, text, file, reading: Reading) -> Table:
    """The documents of a command, wherever they are.

    Parameters
    ----------
    command : str
        Its name, for messages.
    model : str
        Path of the model file, likewise.
    text : tuple of str
        Texts of the command line.
    file : str or None
        Value of the option.
    reading : Reading

    Returns
    -------
    Table
        Without columns if the documents are of no file that has any.

    Raises
    ------
    click.UsageError
        If there is no document, or a text is the name of a file.
    ValueError
        If a file or standard input cannot be read as documents.
    """
    if file is not None and text:
        raise click.UsageError("Pass TEXT or --file, not both.")
    if file is not None:
        check_order(f"fastlstm {command}", model, file, "--file ")
    if file in (None, "-"):
        if reading.text_column is not None:
            raise click.UsageError("--text-column belongs to --file.")
        if not reading.header:
            raise click.UsageError("--no-header belongs to --file.")
    else:
        return _read_file(file, reading)
    if text and text != ("-",):
        if reading.encoding is not None:
            raise click.UsageError("--encoding belongs to --file or standard input.")
        _refuse_files(command, model, text)
        return _without_columns([argument_text(one) for one in text])
    if not text and file is None and stdin_is_terminal():
        name = quoted(model)
        raise click.UsageError(
            "no documents. Pass them in one of these ways:\n"
            f'  fastlstm {command} {name} "some text"\n'
            f"  fastlstm {command} {name} --file texts.csv\n"
            f"  fastlstm {command} {name} < lines.txt"
        )
    return _without_columns(read_lines(sys.stdin.buffer, "standard input", reading.encoding))


def _without_columns(texts) -> Table:
    from fastlstm.data.tables import Table

    return Table(texts, None, None, None, (), list(range(1, len(texts) + 1)))


def _read_file(path, reading) -> Table:
    table = reading.table(path, need_labels=False)
    if reading.text_column is None and len(table.columns) > 1:
        note(
            f"Texts are those of column {table.text_column!r} of {path}; "
            "--text-column names another."
        )
    return table


def check_order(command, model, other, before="") -> None:
    """Refuse a model that was given in another's place.

    Parameters
    ----------
    command : str
        The words before the model.
    model, other : str
        The argument that should name a model, and one that should not.
    before : str
        What stands before the latter.

    Raises
    ------
    click.UsageError
        With the call as it should be.
    """
    if is_model(other) and not is_model(model):
        raise click.UsageError(
            f"{other!r} is a model file, and the model comes first:\n"
            f"  {command} {quoted(other)} {before}{quoted(model)}"
        )


def check_no_missing(path, table, missing) -> None:
    """Refuse missing documents of a file that a model does not take.

    Parameters
    ----------
    path : str or None
    table : Table
    missing : {"error", "empty"}
        The model's.

    Raises
    ------
    ValueError
        Names the row.
    """
    if missing == "error" and None in table.texts:
        row = table.rows[table.texts.index(None)]
        raise ValueError(
            f"{path}: the document on {table.unit} {row} is missing, and the model was trained "
            'with missing="error"; drop it, or write an empty text ("") there'
        )


def _refuse_files(command, model, texts) -> None:
    for text in texts:
        before = "--file " if _is_file_name(model) else ""
        check_order(f"fastlstm {command}", model, text, before)
        if _is_file_name(text):
            raise click.UsageError(
                f"{text!r} looks like a file, not a text. Pass --file {quoted(text)}"
            )


def _is_file_name(text: str) -> bool:
    """Whether a TEXT is the name of a file, or of one of documents, given without --file."""
    from fastlstm.data.tables import FORMATS

    if Path(text).suffix and os.path.isfile(text):
        return True
    suffixes = [suffix for suffix in Path(text).suffixes if suffix != ".gz"]
    return bool(suffixes) and suffixes[-1].lower() in FORMATS and not any(map(str.isspace, text))


def read_lines(stream, name: str, encoding: str | None = None) -> list[str]:
    """Documents of a binary stream, one a line; an empty line is an empty document.

    Raises
    ------
    ValueError
        If there is none, or a line is not in the encoding (UTF-8 by default).
    """
    from fastlstm.data.files import decode, lines

    texts = [line.rstrip("\r\n") for line in lines(decode(stream.read(), name, encoding))]
    if not texts:
        raise ValueError(f"{name}: no documents; write one a line")
    return texts


def stdin_is_terminal() -> bool:
    """Whether nothing is piped in, so that reading would wait for the keyboard."""
    return sys.stdin.isatty()


def argument_text(text: str) -> str:
    """A text of the command line, of which Python may have kept undecoded bytes.

    Where the locale is not UTF-8, the bytes are still those that the user typed.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(text).decode("utf-8", errors="replace")
    return text
