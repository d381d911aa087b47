"""Tokenizers by name: a function from a document to its tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from fastlstm.text.chinese import WITH_NEIGHBOURS, import_rjieba, split_chinese
from fastlstm.text.clean import check_steps, clean
from fastlstm.text.words import split_characters, split_words
from fastlstm.text.zh_script import ZH_SCRIPTS, import_opencc, to_simplified

TOKENIZERS = ("auto", "word", "char", "jieba")


def name_of(function: Callable[..., object]) -> str:
    """What a callable is called where it was written, for people to read."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(named, '__module__', None) or 'builtins'}.{named.__qualname__}"


def _call(text: str, function: Callable[[str], list[str]]) -> list[str]:
    tokens = function(text)
    if not isinstance(tokens, (list, tuple)):
        raise TypeError(
            f"the tokenizer returned {type(tokens).__name__}; it must return a list of str, "
            "for example list(tokens)"
        )
    if not all(issubclass(kind, str) for kind in set(map(type, tokens))):
        wrong = next(token for token in tokens if not isinstance(token, str))
        raise TypeError(
            f"the tokenizer returned a list that holds {type(wrong).__name__}; every token "
            "must be str, for example [str(token) for token in tokens]"
        )
    return list(tokens)


def steps_of(
    tokenizer: str | Callable[[str], list[str]], normalize: str | Iterable[str] | None
) -> tuple[str, ...]:
    """The steps of `normalize` that a tokenizer's documents go through.

    "social" and "squeeze" are about words as the named tokenizers make them: a callable
    sees addresses as they are, and "char" has no words.
    """
    steps = check_steps(normalize)
    if callable(tokenizer) or tokenizer == "char":
        return tuple(step for step in steps if step not in ("social", "squeeze"))
    return steps


def _tokenize(
    split: Callable[..., list[str]],
    how: tuple[Any, ...],
    lowercase: bool,
    steps: tuple[str, ...],
    zh_script: str | None,
    text: str,
) -> list[str]:
    text = clean(text, steps, lowercase)
    return split(to_simplified(text) if zh_script else text, *how)


def get_tokenizer(
    tokenizer: str | Callable[[str], list[str]] = "auto",
    lowercase: bool = True,
    normalize: str | Iterable[str] | None = "all",
    zh_script: str | None = None,
    jieba_rules: int = WITH_NEIGHBOURS,
) -> Callable[[str], list[str]]:
    """A function from a document to its tokens.

    Parameters
    ----------
    tokenizer : {"auto", "word", "char", "jieba"} or callable, default="auto"
        - "word": words of letters, digits and combining marks with inner
          apostrophes; numbers such as 3.5 and 1,000; runs of one mark, of which at
          most three are kept; emoji; emoticons such as ``:)`` and ``<3``.
        - "auto": like "word", but in scripts written without spaces (Han, Hiragana,
          Katakana, Thai, Lao, Khmer, Myanmar) each letter with its marks is a token.
        - "char": each character with its marks; spaces are dropped.
        - "jieba": Chinese words by ``rjieba`` with its own dictionary, whatever words the
          program added to it; everything else like "word".
        - callable: called with the cleaned, lower-cased document; returns a list or
          tuple of str, which is used as it is. It sees addresses, mentions and hashtags
          as they are; with ``normalize=None`` also tags and all characters that are
          visible.

        The named tokenizers cut tokens longer than 64 characters to their first 64.
    lowercase : bool, default=True
    normalize : "all", iterable of str, or None, default="all"
        Some of `fastlstm.text.clean.STEPS`.
    zh_script : {"simplified"} or None, default=None
        "simplified" reads Traditional Chinese characters as their Simplified ones.
    jieba_rules : {1, 2}, default=2
        See `fastlstm.text.chinese.split_chinese`.

    Returns
    -------
    callable
        From str to list of str. It can be pickled if a callable `tokenizer` can.

    Raises
    ------
    ValueError
        `tokenizer` is no known name and not callable, `normalize` names no step, or
        `zh_script` is not known.
    ImportError
        `tokenizer` is "jieba" and ``rjieba`` is not installed, or `zh_script` is given and
        ``opencc`` is not.
    """
    split: Callable[..., list[str]]
    steps = steps_of(tokenizer, normalize)
    how: tuple[Any, ...] = ("social" in steps,)
    if callable(tokenizer):
        split, how = _call, (tokenizer,)
    elif tokenizer in ("auto", "word"):
        split, how = split_words, (tokenizer == "auto", *how)
    elif tokenizer == "char":
        split, how = split_characters, ()
    elif tokenizer == "jieba":
        import_rjieba()
        split, how = split_chinese, (jieba_rules, *how)
    else:
        names = ", ".join(map(repr, TOKENIZERS))
        raise ValueError(f"tokenizer must be one of {names} or a callable, got {tokenizer!r}")
    if zh_script is not None:
        if zh_script not in ZH_SCRIPTS:
            raise ValueError(f'zh_script must be "simplified" or None, got {zh_script!r}')
        import_opencc()
    # Positional: partial is slower with names.
    return partial(_tokenize, split, how, lowercase, steps, zh_script)
