"""Chinese words by ``rjieba``, an optional dependency."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from types import ModuleType
from typing import Any

from fastlstm.text.words import MAX_TOKEN_LENGTH, cut_long, split_words

# What jieba is handed: runs of Han alone, as until version 3 of the model file, or Han with
# the Latin letters and digits that adjoin it.
HAN_ALONE, WITH_NEIGHBOURS = 1, 2


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
def _jieba() -> Any:
    """A dictionary of our own: ``rjieba.add_word`` changes that of the whole process.

    All models of the process share it. Nothing hands it out, cutting does not change it, and
    threads and forked processes may cut beside each other. It cannot be pickled, so what is
    pickled holds functions of this module and no dictionary.
    """
    return import_rjieba().Jieba()


def _cut(text: str) -> list[str]:
    tokens: list[str] = _jieba().cut(text)
    return tokens


@cache
def _compile_han() -> Any:
    import regex

    return regex.compile(r"(\p{Han}+)")


def next_han(text: str, start: int, stop: int) -> int:
    """Where the next Han character before ``stop`` stands; ``stop`` if there is none."""
    found = _compile_han().search(text, start, stop)
    return found.start() if found else stop


def split_chinese(text: str, rules: int = WITH_NEIGHBOURS, markers: bool = False) -> list[str]:
    """Divide a cleaned document: Chinese by ``rjieba``, the rest into words.

    Parameters
    ----------
    text : str
        The result of `fastlstm.text.clean.clean`.
    rules : {1, 2}, default=2
        1 cuts Chinese and other words apart, as models of older files were trained with. 2
        keeps a word that the dictionary holds with Latin letters or digits (T恤, 阿Q, 4S店),
        whatever the case of its letters, if its Latin part is a whole word of the text.
    markers : bool, default=False
        As in `fastlstm.text.words.split_words`.

    Returns
    -------
    list of str
    """
    if text.isascii():
        return split_words(text, False, markers)
    tokens: list[str] = []
    run: list[str] = []  # stretches of Han, and the words that adjoin them
    # A split by a group puts its matches at the odd places.
    for index, piece in enumerate(_compile_han().split(text)):
        if index % 2:
            run.append(piece)
            continue
        words = split_words(piece, False, markers)
        joins = rules == WITH_NEIGHBOURS
        if joins and words == [piece] and _may_join(piece):
            run.append(piece)
            continue
        if joins and run and words and piece.startswith(words[0]) and _may_join(words[0]):
            run.append(words.pop(0))
        tokens += _cut_run(run)
        run = []
        if joins and words and piece.endswith(words[-1]) and _may_join(words[-1]):
            run.append(words.pop())
        tokens += words
    return tokens + _cut_run(run)


def _may_join(word: str) -> bool:
    return word.isascii() and word.isalnum() and len(word) < MAX_TOKEN_LENGTH


def _cut_run(run: list[str]) -> list[str]:
    """Tokens of stretches of Han and words that adjoin; the words are not cut."""
    if len(run) < 2:
        return run if not run or run[0].isascii() else cut_long(_cut(run[0]))
    text = "".join(run)
    starts = [0, *accumulate(map(len, run))]
    words = [(starts[i], starts[i + 1]) for i, piece in enumerate(run) if piece.isascii()]
    ends = _ends(text, starts)
    halved = [word for word in words if not ends.isdisjoint(range(word[0] + 1, word[1]))]
    if halved:
        # "recall机" holds "CALL机". Zeros of the same length are part of no word.
        hidden = list(text)
        for start, stop in halved:
            hidden[start:stop] = "0" * (stop - start)
        ends = _ends("".join(hidden), starts)
        for start, stop in halved:
            ends.difference_update(range(start + 1, stop))
    places = sorted(ends)
    return cut_long([text[a:b] for a, b in zip([0, *places], places, strict=False)])


def _ends(text: str, borders: list[int]) -> set[int]:
    """Where jieba's words end, if most of them go across borders."""
    # The dictionary has T恤 and SIM卡, but also 江南style.
    spellings = dict.fromkeys((text.upper(), text))
    found = [set(accumulate(map(len, _cut(spelling)))) for spelling in spellings]
    return min(found, key=lambda ends: len(ends.intersection(borders)))
