"""Which column holds the texts and which the labels."""

from __future__ import annotations

import difflib
import re

from fastlstm.core.tables import LABEL_NAMES, TEXT_NAMES
from fastlstm.data.parsed import Parsed, clean_name

_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")


def choose_columns(
    parsed: Parsed,
    path,
    text_column: str | int | None,
    label_column: str | int | None,
    need_labels: bool,
) -> tuple[int, int | None]:
    """Positions of the text and the label column; the latter None if it is not wanted.

    Raises
    ------
    ValueError
        If no column or several fit, or if the first line seems to be a record.
    """
    columns = parsed.columns
    text = _given_column(parsed, text_column, "text", path)
    label = _given_column(parsed, label_column, "label", path)
    if text is not None and text == label:
        raise ValueError(
            f"{path}: --text-column and --label-column are both {text_column!r} "
            "(text_column= and label_column= in Python); name two columns"
        )
    if text is None:
        text = _only_one(matching(columns, TEXT_NAMES, label), columns, "text", path)
    if label is None:
        labels = matching(columns, LABEL_NAMES, text)
        if need_labels or len(labels) == 1:
            label = _only_one(labels, columns, "label", path)
    # A nameless column is a row index that was saved with the data.
    named = [index for index, name in enumerate(columns) if name]
    if text is None and len(named) == 2:
        others = [index for index in named if index != label]
        text = others[0] if len(others) == 1 else _longer_column(parsed, others)
    if text is None and parsed.header is False and len(columns) == 1:
        text = 0
    if label is None and need_labels and text is not None and len(named) == 2:
        label = next((index for index in named if index != text), None)
    if text is None:
        raise _unknown_column(parsed, "text", path)
    if label is None and need_labels:
        raise _unknown_column(parsed, "label", path)
    if parsed.header:
        _check_header(parsed, text, (text_column, label_column), path)
    return text, label if need_labels or label_column is not None else None


def matching(columns, names, taken=None) -> list[int]:
    """Positions of the columns that have one of the names, in any case."""
    return [
        index for index, name in enumerate(columns) if name.casefold() in names and index != taken
    ]


def _given_column(parsed, name, role, path):
    """Position of a column given by its name, else by its name in any case, else by number."""
    if name is None:
        return None
    name, columns = str(name), parsed.columns
    found = [index for index, column in enumerate(columns) if column == name]
    found = found or _in_any_case(columns, name)
    if not found and re.fullmatch("0*[1-9][0-9]{0,8}", name) and int(name) <= len(columns):
        found = [int(name) - 1]
    if len(found) == 1:
        return found[0]
    start = f"{path}: --{role}-column {name!r} ({role}_column= in Python):"
    if not found:
        raise ValueError(
            f"{start} {_no_such(name, columns)}; the columns are {_listed(columns)}"
            f"{_no_header(parsed)}"
        )
    numbers = ", ".join(f"{columns[index]!r} is column {index + 1}" for index in found)
    raise ValueError(
        f"{start} there is more than one column of that name: {numbers}; pass the number, for "
        f"example --{role}-column {found[0] + 1}"
    )


def _no_such(name, columns) -> str:
    """What is wrong with a name or number that no column has."""
    if re.fullmatch("[0-9]+", name):
        n = "is 1 column" if len(columns) == 1 else f"are {len(columns)} columns"
        return f"there is no column of that name, and there {n}, counted from 1"
    folded = {column.casefold(): column for column in columns}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    guess = f"; did you mean {folded[near[0]]!r}?" if near else ""
    return f"there is no column of that name{guess}"


def _in_any_case(columns, name):
    folded = clean_name(name).casefold()
    return [index for index, column in enumerate(columns) if column.casefold() == folded]


def _only_one(matches, columns, role, path):
    if len(matches) > 1:
        raise ValueError(
            f"{path}: several columns could be the {role}: "
            f"{_listed([columns[i] for i in matches])}; {_how_to_name(role)}"
        )
    return matches[0] if matches else None


def _longer_column(parsed, indices):
    totals = [
        sum(len(str(value)) for value in parsed.column(index) if value is not None)
        for index in indices
    ]
    if totals[0] == totals[1]:
        return None
    return indices[0] if totals[0] > totals[1] else indices[1]


def _unknown_column(parsed, role, path):
    return ValueError(
        f"{path}: cannot tell which column is the {role}; the columns are "
        f"{_listed(parsed.columns)}; {_how_to_name(role)}{_no_header(parsed)}"
    )


def _no_header(parsed):
    return "; if the file has no header, add --no-header" if parsed.header else ""


def _how_to_name(role):
    return f"name it, or give its number: --{role}-column NAME ({role}_column= in Python)"


def _listed(names):
    return ", ".join(repr(name) for name in names)


def _check_header(parsed, text, given, path):
    """ValueError if the first line, taken for names of columns, seems to be a record.

    It is one if a column other than the texts' has the "name" among its values, or if
    "name" and values are all numbers. Known names, names that the user gave, and numbers
    in order, which pandas writes for columns without names, are names.
    """
    columns = parsed.columns
    known = columns[text].casefold() in TEXT_NAMES
    if known or any(name is not None and _in_any_case(columns, str(name)) for name in given):
        return
    if columns in (tuple(map(str, range(start, start + len(columns)))) for start in (0, 1)):
        return
    for index, name in enumerate(columns):
        if not name or index == text:
            continue
        values = [value.strip() for value in parsed.column(index)]
        if name in values:
            why = f"{name!r} stands there and among the values below it"
        elif _NUMBER.fullmatch(name) and all(map(_NUMBER.fullmatch, values)):
            why = f"{name!r} is a number like the values below it"
        else:
            continue
        raise ValueError(
            f"{path}: the file seems to have no header: {why}, in column {index + 1}. Add "
            "--no-header (header=False in Python) if the first line is a record; if it holds "
            "names, name the text's: --text-column NAME (text_column= in Python)"
        )
