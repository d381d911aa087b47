"""Cleaning of documents: markup and what is invisible goes, look-alikes become one.

Every step takes time linear in the length of the document, whatever it holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from fastlstm.text.fold import dotted, foldings, grave_accents
from fastlstm.text.markup import any_tags, references, tags
from fastlstm.text.mend import half_decoded, mojibake
from fastlstm.text.redact import redacted
from fastlstm.text.rewriting import Grouped, Rewriting, grouped, rewrite
from fastlstm.text.social import social

# What may be done to a text beside the removal of controls and of the invisible.
# - "html": tags of elements that HTML knows and comments become a space, references such
#   as &amp; their character.
# - "decode": half-decoded text is mended (fastlstm.text.mend).
# - "fold": characters that look or mean alike become one (fastlstm.text.fold).
# - "social": addresses, mentions and hashtags are one token each (fastlstm.text.social).
# - "squeeze": stretched words that are unknown or rare count as the plain ones.
# - "redact": digits become 0, and e-mail addresses a word (fastlstm.text.redact).
# - "tags": whatever has the shape of a tag becomes a space, known or not; the rule of
#   model files up to version 3, which had no other.
ALL_STEPS = ("html", "decode", "fold", "social", "squeeze")
STEPS = (*ALL_STEPS, "redact", "tags")

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# What str.isprintable takes for visible, although it is not: fillers, variation selectors.
FILLER = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


def check_steps(normalize: str | Iterable[str] | None) -> tuple[str, ...]:
    """The parameter ``normalize`` as a tuple in the order of `STEPS`.

    Parameters
    ----------
    normalize : "all", iterable of str, or None
        "all" is all but "redact" and "tags", None is none.

    Raises
    ------
    ValueError, TypeError
        A name is not known, or it is something else.
    """
    if normalize is None:
        return ()
    if isinstance(normalize, str):
        if normalize != "all":
            raise ValueError(
                f"normalize must be 'all', None or a list of names such as {list(ALL_STEPS)}, "
                f"got {normalize!r}"
            )
        return ALL_STEPS
    try:
        names = list(normalize)
    except TypeError as error:
        raise TypeError(
            f"normalize must be 'all', None or a list of names, got {normalize!r}"
        ) from error
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        known = ", ".join(map(repr, STEPS))
        raise ValueError(f"normalize names {unknown[0]!r}; the names are {known}")
    return tuple(name for name in STEPS if name in names)


class Rules(NamedTuple):
    """What cleaning does, in this order, with the fixed steps between.

    Attributes
    ----------
    mangled : Grouped
        For texts that are not ASCII, before anything else.
    markup : Grouped
        Before controls and the invisible go.
    folding : Grouped
        For texts that are not ASCII, before they are composed.
    social : Grouped
        At the end; what is redacted, too.
    lowered : Grouped
        For texts that are not ASCII, after they were lower-cased or not.
    """

    mangled: Grouped
    markup: Grouped
    folding: Grouped
    social: Grouped
    lowered: Grouped


@cache
def rules_of(steps: tuple[str, ...]) -> Rules:
    """The rules of some of `STEPS`."""
    decode, fold = "decode" in steps, "fold" in steps
    markup: list[Rewriting] = []
    if decode:
        markup += half_decoded()
    if "tags" in steps:
        markup += any_tags()
    elif "html" in steps:
        markup += tags()
    if not decode and {"tags", "html"} & set(steps):
        markup += references()
    if fold:
        markup += grave_accents()
    return Rules(
        mangled=grouped(mojibake() if decode else ()),
        markup=grouped(markup),
        folding=grouped(foldings() if fold else ()),
        social=grouped(
            [
                *(redacted()[:1] if "redact" in steps else ()),  # mentions begin with the same sign
                *(social() if "social" in steps else ()),
                *(redacted()[1:] if "redact" in steps else ()),
            ]
        ),
        lowered=grouped(dotted() if fold else ()),
    )


@cache
def compile_invisible() -> Any:
    """Pattern of characters without width that are no part of an emoji."""
    import regex

    # Keeps a joiner between pictographs, the emoji presentation after one or in a
    # keycap, and the tags of a flag; drops whatever else is invisible.
    return regex.compile(
        r"(?V1)[\p{DI}--[\u200d\ufe0f\U000e0020-\U000e007f]]+"
        r"|(?<![\p{ExtPict}\p{EMod}\ufe0f])\u200d|\u200d(?!\p{ExtPict})"
        r"|(?<!\p{ExtPict})\ufe0f(?!\u20e3)"
        r"|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]+"
    )


@cache
def compile_long_marks() -> Any:
    """Pattern of marks behind thirty others in a row."""
    import regex

    # UAX #15, section 13: text in Stream-Safe Format has at most 30 marks in a row.
    return regex.compile(r"(\p{M}{30})\p{M}+")


def clean(text: str, steps: tuple[str, ...] = ALL_STEPS, lowercase: bool = False) -> str:
    """Remove from a document what is markup or invisible, and normalise the rest.

    Control characters and lone surrogates become a space. Characters without width
    (soft hyphens, direction marks, joiners) are dropped, except inside an emoji. The
    result is in Unicode's form NFC and can be encoded as UTF-8. With "html", ``a < b``
    and ``<3`` stay.

    Parameters
    ----------
    text : str
    steps : tuple of str, default=ALL_STEPS
        Some of `STEPS`; the comment there says what each does. "squeeze" is none of
        cleaning.
    lowercase : bool, default=False

    Returns
    -------
    str
    """
    rules = rules_of(steps)
    if not text.isascii():
        text = rewrite(text, rules.mangled)
    text = rewrite(text, rules.markup)
    printable = text.isprintable()
    if not printable:
        text = CONTROL.sub(" ", text)
    if not text.isascii():
        if not printable or FILLER.search(text):
            text = compile_invisible().sub("", text)
        text = rewrite(text, rules.folding)
        if not unicodedata.is_normalized("NFC", text):
            # Ordering an endless row of marks takes quadratic time.
            text = unicodedata.normalize("NFC", compile_long_marks().sub(r"\1", text))
    text = rewrite(text, rules.social)
    if lowercase:
        text = text.lower()
    return text if text.isascii() else rewrite(text, rules.lowered)
