"""Labels that are probably not meant as they stand in a file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,25}\.?[0-9]{0,25}|\.[0-9]{1,25})(?:e[+-]?[0-9]{1,3})?")

# What programs and people write where there is no label.
_PLACEHOLDERS = frozenset({
    "n/a", "na", "n.a.", "#n/a", "#na", "<na>", "nan", "nat", "null", "none", "nil", "-", "--",
    "---", "–", "—", "?", "??", "???", ".", "...", "…", "_", "/", "\\", "#value!", "#ref!",
    "#name?", "#null!", "#div/0!", "(blank)", "(empty)", "blank", "empty", "missing", "undefined",
    '""', "''", "无", "空", "缺失",
})  # fmt: skip
_SHOWN = 8


def alike(label: str) -> str:
    """What labels have in common that differ only in case, space or number format."""
    text = unicodedata.normalize("NFKC", label).casefold()
    text = "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")
    # Not as a float, which long numbers would share.
    return str(Decimal(text).normalize() + 0) if _NUMBER.fullmatch(text) else text


def twins(label: str, others: Iterable[str]) -> list[str]:
    """Those of the others that are ``alike``."""
    key = alike(label)
    return [other for other in others if other != label and alike(other) == key]


def label_hints(counts: Mapping[str, int]) -> list[str]:
    """What looks wrong among labels, in sentences.

    Parameters
    ----------
    counts : mapping
        Label -> number of documents.
    """
    hints = []
    groups: dict[str, list[str]] = {}
    for label in sorted(counts):
        groups.setdefault(alike(label), []).append(label)
    for group in [group for group in groups.values() if len(group) > 1][:_SHOWN]:
        hints.append(
            f"the labels {_with_counts(group, counts)} are {len(group)} classes and differ only "
            "in case, space or number format. If they mean the same, write them alike."
        )
    empty = [label for label in sorted(counts) if label.strip().casefold() in _PLACEHOLDERS]
    if empty:
        hints.append(
            f"the label{'' if len(empty) == 1 else 's'} {_with_counts(empty, counts)} "
            f"{'is a class' if len(empty) == 1 else 'are classes'} like any other. If that stands "
            "for no label, drop these rows, or empty these cells and pass --drop-unlabelled."
        )
    return hints


def _with_counts(labels, counts) -> str:
    shown = ", ".join(f"{label!r} ({counts[label]:,})" for label in labels[:_SHOWN])
    return shown + (f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else "")
