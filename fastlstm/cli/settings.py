"""``--set name=value``: parameters of the estimator from the command line."""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Sequence

import click

_WORDS = {"none": None, "null": None, "true": True, "false": False}


def parse_settings(pairs: Sequence[str], known: Sequence[str]) -> dict:
    """Parameters from texts such as ``hidden_size=128``.

    Parameters
    ----------
    pairs : sequence of str
    known : sequence of str
        Names of the parameters that exist.

    Returns
    -------
    settings : dict
        A value is what ``parse_value`` makes of it.

    Raises
    ------
    click.BadParameter
        If a text has no ``=``.
    ValueError
        If a name is not known.
    """
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise click.BadParameter(
                f"{pair!r} must be name=value, for example hidden_size=128.",
                param_hint="'--set'",
            )
        if name not in known:
            raise ValueError(_unknown(name, known))
        settings[name] = parse_value(value.strip())
    return settings


def parse_value(text: str):
    """None, True and False in any case, else what JSON or Python makes of a text, else the text."""
    if text.casefold() in _WORDS:
        return _WORDS[text.casefold()]
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return text


def _unknown(name, known) -> str:
    close = difflib.get_close_matches(name, known)
    guess = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        f"--set {name}: there is no such parameter.{guess} "
        f"The parameters are {', '.join(sorted(known))}."
    )
