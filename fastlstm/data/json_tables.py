"""JSON Lines, and JSON files of one array of objects."""

from __future__ import annotations

import json

from fastlstm.data.files import lines
from fastlstm.data.parsed import Parsed, clean_name, is_blank

_EXAMPLE = '{"text": "...", "label": "..."}'


def parse_jsonl(content: str, path) -> Parsed:
    """Records of a file with one JSON object a line; ValueError names the line at fault."""
    objects, rows = [], []
    for number, line in enumerate(lines(content), start=1):
        if not line.strip():
            continue
        value = _loads(line, path, number)
        if not isinstance(value, dict):
            raise ValueError(
                f"{path}: line {number} is not a JSON object; each line must be one, like "
                f"{_EXAMPLE}"
            )
        objects.append(value)
        rows.append(number)
    return _parsed(objects, rows, "line", path)


def parse_json(content: str, path) -> Parsed:
    """Records of a file that holds an array of objects, or else JSON Lines."""
    start = content.lstrip()
    if not start.startswith("["):
        if start.startswith("{"):
            _refuse_one_object(content, path)
        return parse_jsonl(content, path)
    objects = _loads(content, path)
    for number, value in enumerate(objects, start=1):
        if not isinstance(value, dict):
            raise ValueError(
                f"{path}: row {number} of the array is not a JSON object; each must be one, like "
                f"{_EXAMPLE}"
            )
    return _parsed(objects, list(range(1, len(objects) + 1)), "row", path)


def _refuse_one_object(content, path):
    """ValueError if the file is one object over several lines, or one of whole columns."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return  # several objects, or damaged; either way read line by line
    if "\n" in content.strip() or any(isinstance(part, (dict, list)) for part in value.values()):
        keys = ", ".join(repr(key) for key in list(value)[:5])
        raise ValueError(
            f"{path}: the file is one JSON object, with the keys {keys}; it must be an array of "
            f"objects like {_EXAMPLE}, or one object a line (in pandas to_json(orient='records'))"
        )


def _loads(text, path, line=None):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = error.lineno if line is None else line
        raise ValueError(
            f"{path}: line {where} is not valid JSON ({error.msg} at column {error.colno})"
        ) from None
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or brackets nested as deep.
        where = "the file" if line is None else f"line {line}"
        raise ValueError(f"{path}: {where} cannot be read as JSON ({error})") from None


def _parsed(objects, rows, unit, path):
    keys = tuple(dict.fromkeys(key for value in objects for key in value))
    n = len(objects)
    if len(keys) > 1:
        kept = [i for i, value in enumerate(objects) if not all(map(is_blank, value.values()))]
        if len(kept) < n:
            objects, rows = [objects[i] for i in kept], [rows[i] for i in kept]
    if not objects:
        raise ValueError(f"{path}: the file is empty")
    return Parsed(
        tuple(map(clean_name, keys)),
        lambda index: [value.get(keys[index]) for value in objects],
        rows, unit, n - len(objects),
    )  # fmt: skip
