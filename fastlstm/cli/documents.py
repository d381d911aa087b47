"""Documents of ``predict`` and ``explain``: from the command line, a file or standard input."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import click

from fastlstm.cli.errors import note
from fastlstm.cli.files import is_model
from fastlstm.cli.output import quoted


class TextCommand(click.Command):
    """A command whose last arguments are texts."""

    def parse_args(self, ctx, args):
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            error.message += ' A text that begins with a dash goes after "--".'
            raise


def given_texts(command, model, text, file, text_column) -> list:
    """The documents of a command, wherever they are.

    Parameters
    ----------
    command : str
        Its name, for messages.
    model : str
        Path of the model file, likewise.
    text : tuple of str
        Texts of the command line.
    file, text_column : str or None
        Values of the options.

    Raises
    ------
    click.UsageError
        If there is no document, or a text is the name of a file.
    ValueError
        If a file or standard input cannot be read as documents.
    """
    if file is not None and text:
        raise click.UsageError("Pass TEXT or --file, not both.")
    if text_column is not None and file in (None, "-"):
        raise click.UsageError("--text-column belongs to --file.")
    if file not in (None, "-"):
        return _read_file(file, text_column)
    if text and text != ("-",):
        _refuse_files(command, model, text)
        return [argument_text(one) for one in text]
    if not text and file is None and stdin_is_terminal():
        name = quoted(model)
        raise click.UsageError(
            "no documents. Pass them in one of these ways:\n"
            f'  fastlstm {command} {name} "some text"\n'
            f"  fastlstm {command} {name} --file texts.csv\n"
            f"  fastlstm {command} {name} < lines.txt"
        )
    return read_lines(sys.stdin.buffer, "standard input")


def _read_file(path, text_column) -> list:
    from fastlstm.data.tables import read_table

    table = read_table(path, text_column=text_column, need_labels=False)
    if text_column is None and len(table.columns) > 1:
        note(
            f"Texts are those of column {table.text_column!r} of {path}; "
            "--text-column names another."
        )
    return table.texts


def _refuse_files(command, model, texts) -> None:
    for text in texts:
        if os.path.isfile(text) and is_model(text) and not os.path.exists(model):
            raise click.UsageError(
                f"{text!r} is a model file. The model comes before the texts:\n"
                f"  fastlstm {command} {quoted(text)} {quoted(model)}"
            )
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


def read_lines(stream, name: str) -> list[str]:
    """Documents of a binary stream, one a line; an empty line is an empty document.

    Raises
    ------
    ValueError
        If there is none, or a line is not UTF-8.
    """
    raw = stream.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{name}: line {line} is not UTF-8; convert it to UTF-8") from None
    # Universal newlines; str.splitlines would also cut at form feeds and U+2028.
    texts = [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]
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
