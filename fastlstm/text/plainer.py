"""Plainer forms of a token that is not known as it is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import islice, product
from typing import Any

import numpy as np

from fastlstm.text.fold import DOTTED, dotted, foldings, grave_accents
from fastlstm.text.rewriting import Grouped, grouped, rewrite

# Three or more equal letters; digits and marks are none.
_STRETCH = re.compile(r"([^\W\d_])\1{2,}")
_MOST_FORMS = 16


def squeezed(token: str) -> tuple[str, ...]:
    """A stretched word with two letters or one in the place of three or more.

    Parameters
    ----------
    token : str

    Returns
    -------
    forms : tuple of str
        Those with more letters first, at most 16: "goood" has "good" and "god". Empty
        where the token holds no letter three times in a row.
    """
    if not _STRETCH.search(token):
        return ()
    # A split by a group puts the letters at the odd places.
    pieces = _STRETCH.split(token)
    choices = [(piece * 2, piece) if i % 2 else (piece,) for i, piece in enumerate(pieces)]
    return tuple(dict.fromkeys(map("".join, islice(product(*choices), _MOST_FORMS))))


def may_be_stretched(tokens: Sequence[str]) -> np.ndarray:
    """Which tokens hold a character three times in a row, and few that do not.

    Looks at all of them at once: of many tokens hardly any is stretched.

    Parameters
    ----------
    tokens : sequence of str

    Returns
    -------
    indices : ndarray of int64
        In rising order.
    """
    text = "".join(tokens).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(text, dtype="<u4")
    thirds = 2 + np.flatnonzero((codes[2:] == codes[1:-1]) & (codes[1:-1] == codes[:-2]))
    ends = np.cumsum(np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens)))
    return np.unique(np.searchsorted(ends, thirds, side="right"))


@cache
def _compile_joined_emoji() -> Any:
    import regex

    return regex.compile(r"(\p{ExtPict})\p{EMod}?\u200d.*", regex.DOTALL)


@cache
def _foldings() -> tuple[Grouped, Grouped, Grouped]:
    return grouped(grave_accents()), grouped(foldings()), grouped(dotted())


def fold(text: str) -> str:
    """A text with the foldings of `fastlstm.text.fold`, composed (NFC)."""
    first, then, last = _foldings()
    text = rewrite(text, first)
    if text.isascii():
        return text
    return rewrite(unicodedata.normalize("NFC", rewrite(text, then)), last)


def plainer_forms(token: str) -> tuple[str, ...]:
    """Other forms under which a token may be known, the nearest first.

    Folded, lower-cased, an emoji without those it is joined to, and a stretched word with
    fewer letters: "SOOO" has "sooo", "SOO", "soo", "SO" and "so".

    Parameters
    ----------
    token : str

    Returns
    -------
    forms : tuple of str
        Without the token itself and without empty forms.
    """
    folded = fold(token)
    whole = [folded]
    if "\u200d" in folded:
        joined = _compile_joined_emoji().fullmatch(folded)
        whole += [joined[1]] if joined else []
    forms = []
    for form in (form for one in whole for form in (one, *squeezed(one))):
        forms += [form, form.lower().replace(DOTTED, "i")]
    return tuple(dict.fromkeys(form for form in forms if form and form != token))
