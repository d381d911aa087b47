"""Chinese words by ``rjieba``, an optional dependency."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

from fastlstm.text.words import cut_long, split_words


def import_rjieba() -> ModuleType:
    """The module ``rjieba``, or an ImportError that says how to get it."""
    try:
        import rjieba
    except ImportError as error:
        raise ImportError(
            "tokenizer='jieba' needs the package rjieba: pip install 'fastlstm[zh]'; "
            "tokenizer='auto' needs nothing and takes each Chinese character as a token"
        ) from error
    module: ModuleType = rjieba
    return module


@cache
def _compile_han() -> Any:
    import regex

    return regex.compile(r"(\p{Han}+)").split


def split_chinese(text: str, markers: bool = False) -> list[str]:
    """Divide a cleaned document: runs of Han by ``rjieba``, the rest into words.

    Parameters
    ----------
    text : str
        The result of `fastlstm.text.clean.clean`.
    markers : bool, default=False
        As in `fastlstm.text.words.split_words`.

    Returns
    -------
    list of str
    """
    if text.isascii():
        return split_words(text, False, markers)
    cut = import_rjieba().cut
    tokens = []
    for index, piece in enumerate(_compile_han()(text)):
        # A split by a group puts its matches at the odd places.
        tokens += cut_long(cut(piece)) if index % 2 else split_words(piece, False, markers)
    return tokens
