"""``--set name=value``: parameters of the estimator from the command line."""

from __future__ import annotations

import ast
import difflib
import json
import numbers
from collections.abc import Sequence
from typing import Any

import click

_WORDS = {"none": None, "null": None, "true": True, "false": False}

# What constraints of scikit-learn without any more to them ask for.
_WANTED: dict[Any, str] = {
    None: "none",
    "boolean": "true or false",
    "array-like": 'a JSON list such as ["good", "bad"]',
    "random_state": "a whole number of at least 0",
    "verbose": "a whole number of at least 0",
    dict: 'JSON such as {"positive": 2}',
    str: "the name of a file",
    numbers.Integral: "a whole number",
}


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


def classifier_of(pairs: Sequence[str], **defaults) -> tuple[Any, dict]:
    """A classifier with the parameters of ``--set``, and these; all that it needs is there.

    Raises
    ------
    click.BadParameter, ValueError, ImportError, OSError
        For what is wrong with one of them, in the words of the command line.
    """
    from fastlstm import LSTMSentimentClassifier
    from fastlstm.estimator.text_parameters import check_needs

    settings = parse_settings(pairs, sorted(LSTMSentimentClassifier().get_params()))
    if isinstance(settings.get("class_weight"), dict):
        # Labels of files are text.
        settings["class_weight"] = {str(k): v for k, v in settings["class_weight"].items()}
    for name, option in (("text_column", "--text-column"), ("side", "--side")):
        if name in settings:
            raise ValueError(f"--set {name}={settings[name]}: pass {option} instead")
    for name, value in settings.items():
        clf = LSTMSentimentClassifier(**{name: value})
        try:
            clf._validate_params()
        except ValueError as error:
            given = value if isinstance(value, str) else json.dumps(value, default=str)
            wanted = _wanted(clf._parameter_constraints[name])
            quotes = f", in quotes: --set '{name}=JSON'" if "JSON" in wanted else ""
            raise ValueError(f"--set {name}={given}: pass {wanted}{quotes}") from error
    clf = LSTMSentimentClassifier(**{**defaults, **settings})
    check_needs(clf)
    return clf, settings


def private_defaults(epsilon: float | None, delta: float | None) -> dict:
    """Parameters of a classifier that promises privacy, with noise that nobody can repeat.

    None without ``epsilon``.

    Raises
    ------
    click.UsageError
        If ``delta`` comes alone.
    """
    if epsilon is None:
        if delta is not None:
            raise click.UsageError("--delta goes with --epsilon.")
        return {}
    from fastlstm import LSTMSentimentClassifier, Privacy

    clf = LSTMSentimentClassifier.private(Privacy(epsilon=epsilon, delta=delta))
    found = {**clf.get_params(deep=False), "missing": "empty", "random_state": None}
    return {name: value for name, value in found.items() if name != "verbose"}


def _wanted(constraints) -> str:
    """The values that a parameter may have, in words."""
    found = [words for constraint in constraints for words in _wanted_by(constraint)]
    return " or ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def _wanted_by(constraint) -> list[str]:
    """The same of one of scikit-learn's constraints; nothing that no command line can give."""
    kind = type(constraint).__name__
    if hasattr(constraint, "words"):
        return [constraint.words]
    if kind == "StrOptions":
        return sorted(constraint.options)
    if kind == "Interval":
        noun = "a whole number" if constraint.type is numbers.Integral else "a number"
        bounds = []
        if constraint.left is not None:
            at = constraint.closed in ("left", "both")
            bounds.append(f"{'of at least' if at else 'above'} {constraint.left}")
        if constraint.right is not None:
            at = constraint.closed in ("right", "both")
            bounds.append(f"{'of at most' if at else 'below'} {constraint.right}")
        return [" ".join([noun, " and ".join(bounds)])]
    if hasattr(constraint, "options"):
        return [f'JSON such as ["{min(constraint.options)}"]']
    plain = kind in ("str", "type", "NoneType", "ABCMeta")
    return [_WANTED[constraint]] if plain and constraint in _WANTED else []


def _unknown(name, known) -> str:
    close = difflib.get_close_matches(name, known)
    guess = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        f"--set {name}: there is no such parameter.{guess} "
        f"The parameters are {', '.join(sorted(known))}."
    )
