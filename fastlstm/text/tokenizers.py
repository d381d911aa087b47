"""Tokenizers by name: a function from a document to its tokens."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastlstm.text.chinese import WITH_NEIGHBOURS, import_rjieba, split_chinese
from fastlstm.text.clean import clean
from fastlstm.text.words import split_characters, split_words
from fastlstm.text.zh_script import ZH_SCRIPTS, import_opencc, to_simplified

TOKENIZERS = ("auto", "word", "char", "jieba")


def name_of(function: Callable[..., object]) -> str:
    """What a callable is called where it was written, for people to read."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(named, '__module__', None) or 'builtins'}.{named.__qualname__}"


def _call(function: Callable[[str], list[str]], text: str) -> list[str]:
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


def _tokenize(
    text: str, split: Callable[[str], list[str]], lowercase: bool, zh_script: str | None
) -> list[str]:
    text = clean(text)
    text = text.lower() if lowercase else text
    return split(to_simplified(text) if zh_script else text)


def get_tokenizer(
    tokenizer: str | Callable[[str], list[str]] = "auto",
    lowercase: bool = True,
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
          tuple of str, which is used as it is.

        The named tokenizers cut tokens longer than 64 characters to their first 64.
    lowercase : bool, default=True
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
        `tokenizer` is no known name and not callable, or `zh_script` is not known.
    ImportError
        `tokenizer` is "jieba" and ``rjieba`` is not installed, or `zh_script` is given and
        ``opencc`` is not.
    """
    split: Callable[[str], list[str]]
    if callable(tokenizer):
        split = partial(_call, tokenizer)
    elif tokenizer in ("auto", "word"):
        split = partial(split_words, split_scripts=tokenizer == "auto")
    elif tokenizer == "char":
        split = split_characters
    elif tokenizer == "jieba":
        import_rjieba()
        split = partial(split_chinese, rules=jieba_rules)
    else:
        names = ", ".join(map(repr, TOKENIZERS))
        raise ValueError(f"tokenizer must be one of {names} or a callable, got {tokenizer!r}")
    if zh_script is not None:
        if zh_script not in ZH_SCRIPTS:
            raise ValueError(f'zh_script must be "simplified" or None, got {zh_script!r}')
        import_opencc()
    return partial(_tokenize, split=split, lowercase=lowercase, zh_script=zh_script)
