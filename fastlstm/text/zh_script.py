"""The two scripts of Chinese: Traditional to Simplified, and which of them documents use."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

ZH_SCRIPTS = ("simplified",)

# Below this share of the Chinese documents the rarer script is taken for quotations.
_MIXED_SHARE = 0.01

# GB 2312 has these and Big5 has not, yet Traditional texts hold them: words that are written
# alike, and forms that are usual in Hong Kong.
_NOT_ONLY_SIMPLIFIED = frozenset("兑卧叁囱悦户温着硷税脱葱蜕酞酶傈墒")
# The other way round: names, pronouns and terms that Simplified texts hold.
_NOT_ONLY_TRADITIONAL = frozenset("妳牠祐昇瞭甦暱珮琍璟跼煜燁")


def import_opencc() -> ModuleType:
    """The module ``opencc``, or an ImportError that says how to get it."""
    try:
        import opencc
    except ImportError as error:
        raise ImportError(
            "zh_script='simplified' needs the package opencc: pip install 'fastlstm[zh]'; "
            "zh_script=None reads Traditional and Simplified Chinese as they are written"
        ) from error
    module: ModuleType = opencc
    return module


@cache
def _converter() -> Any:
    # One for the process: converting does not change it, and it cannot be pickled.
    return import_opencc().OpenCC("t2s")


def to_simplified(text: str) -> str:
    """A text with Simplified characters in the place of Traditional ones.

    Words are not exchanged: the result has as many characters as the text, so places in it
    are places in the text.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Raises
    ------
    ImportError
        ``opencc`` is not installed.
    """
    if text.isascii():
        return text
    convert = _converter().convert
    converted: str = convert(text)
    if len(converted) != len(text):
        one_by_one = {character: convert(character)[:1] or character for character in set(text)}
        return "".join(one_by_one[character] for character in text)
    return converted


class ChineseScripts(NamedTuple):
    """Which Chinese script a set of documents is written in.

    Attributes
    ----------
    simplified, traditional : float
        Share of the documents that are written in it, as far as their characters tell.
    """

    simplified: float
    traditional: float

    @property
    def mixed(self) -> bool:
        """Whether both scripts have one in a hundred of these documents at least."""
        rarer = min(self.simplified, self.traditional)
        return rarer > 0 and rarer >= _MIXED_SHARE * (self.simplified + self.traditional)


def chinese_scripts(texts: Iterable[str]) -> ChineseScripts:
    """Shares of documents in Simplified and in Traditional Chinese.

    A document counts for the script that more of its distinct characters belong to alone.
    Documents with kana or hangul count for neither, since Japanese has forms of both.

    Parameters
    ----------
    texts : iterable of str

    Returns
    -------
    ChineseScripts
        Both 0 where there is no Chinese, or no document.
    """
    simplified, traditional = _characters()
    counts, n_documents = [0, 0], 0
    for text in texts:
        n_documents += 1
        found = set() if text.isascii() else set(text)
        n_simplified, n_traditional = len(found & simplified), len(found & traditional)
        if n_simplified != n_traditional and not any(map(_is_kana_or_hangul, found)):
            counts[n_traditional > n_simplified] += 1
    return ChineseScripts(*(count / max(1, n_documents) for count in counts))


def _is_kana_or_hangul(character: str) -> bool:
    return "\u3041" <= character <= "\u30ff" or "\uac00" <= character <= "\ud7a3"


@cache
def _characters() -> tuple[frozenset[str], frozenset[str]]:
    """Common characters of Simplified texts alone, and of Traditional ones alone.

    The facts are those of two standards, which Python has as codecs: GB 2312 of 1980, whose
    first level are the 3,755 commonest Simplified characters, and Big5 of 1984, whose first
    level are the 5,401 commonest Traditional ones.
    """
    low, high = range(0x40, 0x7F), range(0xA1, 0xFF)
    common_simplified = _decoded("gb2312", range(0xB0, 0xD8), [*high])
    all_simplified = _decoded("gb2312", range(0xB0, 0xF8), [*high])
    common_traditional = _decoded("big5", range(0xA4, 0xC7), [*low, *high])
    all_traditional = _decoded("big5", range(0xA4, 0xFA), [*low, *high])
    return (
        common_simplified - all_traditional - _NOT_ONLY_SIMPLIFIED,
        common_traditional - all_simplified - _NOT_ONLY_TRADITIONAL,
    )


def _decoded(codec: str, first: Iterable[int], second: list[int]) -> frozenset[str]:
    """The ideographs of two-byte codes."""
    codes = b"".join(bytes((a, b)) for a in first for b in second)
    return frozenset(c for c in codes.decode(codec, "ignore") if "\u4e00" <= c <= "\u9fff")
