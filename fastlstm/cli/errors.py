"""Expected failures and warnings as plain lines, without traceback or Python's format."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from contextlib import contextmanager

import click

from fastlstm.core.errors import (
    BackendError,
    InterruptedFitWarning,
    NonFiniteLossWarning,
    SideColumnWarning,
    TruncationWarning,
    VocabularyWarning,
)

# ModelFormatError is a ValueError, DownloadError an OSError.
_EXPECTED = (ValueError, OSError, ImportError, MemoryError, BackendError)


def plain_errors(function):
    """Decorate a command: an expected failure ends it with ``Error: ...`` and exit code 1."""

    @functools.wraps(function)
    def command(*args, **kwargs):
        for stream in (sys.stdout, sys.stderr):
            # A character that the terminal cannot show must not end the command.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        try:
            with _plain_warnings():
                function(*args, **kwargs)
            # Here and not at exit, where a closed pipe could no longer be kept quiet.
            sys.stdout.flush()
        except BrokenPipeError:
            raise  # click ends quietly
        except _EXPECTED as error:
            raise click.ClickException(_message(error)) from error

    return command


def _message(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        where = "" if os.path.isabs(error.filename) else f" in {os.getcwd()}"
        return f"{error.filename}: there is no such file{where}; check its name"
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"{error.filename}: "
        return f"{where}{error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory ({error})" if str(error) else "not enough memory"
    return str(error) or type(error).__name__


@contextmanager
def _plain_warnings():
    def show(message, category, filename, lineno, file=None, line=None):
        note(f"Warning: {message}")

    with warnings.catch_warnings():
        for category in (
            InterruptedFitWarning, TruncationWarning, VocabularyWarning, NonFiniteLossWarning,
            SideColumnWarning,
        ):  # fmt: skip
            warnings.simplefilter("always", category)
        warnings.showwarning = show
        yield


def note(message: str) -> None:
    """Print a line on standard error."""
    click.echo(message, err=True)
