"""Half-decoded text: what another program wrote instead of the characters.

Only what can hardly be meant is mended. ``\\n`` written out may be part of a path, and
``amp;`` may end a sentence about amplifiers, so both stay.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from fastlstm.text.markup import references
from fastlstm.text.rewriting import Rewriting, grouped, rewrite

# \u2019, pairs such as \ud83d\ude02, \U0001f602, and the bytes of UTF-8 as \xe2\x80\x99.
_HEX = r"[0-9a-fA-F]"
_NEXT_BYTE = rf"\\x[89abAB]{_HEX}"
_ESCAPE = (
    rf"\\u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}}|\\u{_HEX}{{4}}|\\U000[01]{_HEX}{{4}}"
    rf"|\\x[c-dC-D]{_HEX}{_NEXT_BYTE}|\\x[eE]{_HEX}(?:{_NEXT_BYTE}){{2}}"
    rf"|\\x[fF][0-4](?:{_NEXT_BYTE}){{3}}"
)
# References that have lost their ampersand, of marks, whose numbers nobody writes before a
# semicolon otherwise. The space where the ampersand was goes in contractions only.
_BARE = (
    r"#(?<![&\w]#)(?:3[46-9]|6[02]|9[136]|12[356]|14[5-8]|15[013]|16[039]|82[0-4][0-9]|8364"
    r"|8482|[xX](?:2[2679]|3[cCeE]|20[12][0-9a-fA-F]));"
)
_BARE_IN_WORD = r" #39;(?<=\w #39;)(?=(?:s|t|re|ve|ll|d|m)\b)"
# &amp;#39; and &amp;amp;quot;
_TWICE = r"&(?:amp;)+(?=(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"

# What is left alone. The three Chinese letters are what GBK makes of lost characters.
_DOUBTFUL = re.compile(r"\\[nr]|(?<![&\w])(?:amp|lt|gt|apos);|\ufffd|\u951f\u65a4\u62f7")

# Bytes of UTF-8 that were read as Windows-1252, or as Latin-1.
_BYTES = {chr(byte): byte for byte in range(0x80, 0x100)} | {
    bytes([byte]).decode("cp1252"): byte
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_NEXT = "[" + "".join(char for char, byte in _BYTES.items() if byte < 0xC0) + "]"
# Two letters of other scripts at least; of Latin text what such a sequence is nearly always.
# "IRMÃ”" and "voilà »" are words before a mark.
_MOJIBAKE = (
    rf"(?<![A-Z\u00c0-\u00de])[ÂÃ]{_NEXT}"
    rf"|â[\u20ac\x80\u201a\x82\u201e\x84\u2020\x86\u2030\x89\u02dc\x98\u2122\x99\u0161\x9a"
    rf"\u0153\x9c\x9d\xad]{_NEXT}"
    rf"|ð[\u0178\x9f]{_NEXT}{{2}}|ï»¿|ï¸[\x8e\x8f]"
    rf"|(?:[ÐÑ]{_NEXT}){{2}}(?:[ÐÑ]{_NEXT})*|(?:[Ø-Û]{_NEXT}){{2}}(?:[Ø-Û]{_NEXT})*"
)


def _unescape(escape: re.Match[str]) -> str:
    text = escape[0].encode("ascii").decode("unicode_escape")
    try:
        if escape[0][1] == "x":
            return text.encode("latin-1").decode("utf-8")
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return escape[0]


def _reencode(mangled: re.Match[str]) -> str:
    try:
        return bytes(map(_BYTES.__getitem__, mangled[0])).decode("utf-8")
    except UnicodeDecodeError:
        return mangled[0]


def _reference(bare: re.Match[str]) -> str:
    import html

    return html.unescape("&" + bare[0])


@cache
def mojibake() -> tuple[Rewriting, ...]:
    """For texts that are not ASCII: ``donâ€™t``, which may have been mangled twice."""
    pattern = re.compile(_MOJIBAKE)
    return tuple(Rewriting(sign, pattern, _reencode) for sign in "ÃÂâðïÐÑØÙ")


@cache
def half_decoded() -> tuple[Rewriting, ...]:
    """Escapes written out, references with one ampersand too many, whole, and without one."""
    return (
        Rewriting("\\", re.compile(_ESCAPE), _unescape),
        Rewriting("&", re.compile(_TWICE), "&"),
        *references(),
        Rewriting(";", re.compile(_BARE_IN_WORD), "'", "#39;"),
        Rewriting(";", re.compile(_BARE), _reference, "#"),
        Rewriting(";", re.compile(r"quot;(?<![&\w]quot;)"), '"'),
        Rewriting(";", re.compile(r"nbsp;(?<![&\w]nbsp;)"), " "),
    )


class HalfDecoded(NamedTuple):
    """Shares of documents, between 0 and 1.

    Attributes
    ----------
    mended : float
        With something that ``normalize`` mends with "decode".
    doubtful : float
        With something that is left alone, because it may be meant: ``\\n`` written out,
        references such as ``amp;`` without their ampersand, and characters in the place
        of lost ones.
    """

    mended: float
    doubtful: float


def half_decoded_share(texts: Sequence[str]) -> HalfDecoded:
    """How many documents hold half-decoded text.

    Parameters
    ----------
    texts : sequence of str

    Returns
    -------
    HalfDecoded
        Zeros where there are no documents.
    """
    plain, mended = grouped(references()), grouped([*mojibake(), *half_decoded()])
    n_mended = n_doubtful = 0
    for text in texts:
        read = rewrite(text, mended)
        n_mended += read != rewrite(text, plain)
        n_doubtful += _DOUBTFUL.search(read) is not None
    n = max(1, len(texts))
    return HalfDecoded(n_mended / n, n_doubtful / n)
