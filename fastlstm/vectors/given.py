"""Word vectors: learned from plain text, or read from the files of other tools."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastlstm.text.documents import OF_OTHERS, check_documents
from fastlstm.text.encoder import TextEncoder, TextOptions
from fastlstm.text.plainer import plainer_forms
from fastlstm.text.vocabulary import SPECIAL_TOKENS
from fastlstm.vectors.files import from_gensim, reader_of

# Of the tokens without a vector, so many are named.
_NAMED = 10


class Coverage(NamedTuple):
    """How much of a vocabulary has a vector; padding and the unknown token do not count.

    Attributes
    ----------
    n_tokens, n_found : int
        Tokens of the vocabulary, and those of them that have a vector.
    share_of_text : float
        Share of the texts' known tokens, each occurrence counted, that have one.
    missing : list of str
        The most frequent tokens without one, ten at most.
    """

    n_tokens: int
    n_found: int
    share_of_text: float
    missing: list[str]

    def __str__(self) -> str:
        named = ", ".join(map(repr, self.missing))
        return (
            f"{self.n_found:,} of {self.n_tokens:,} tokens have a vector, "
            f"{self.share_of_text:.1%} of the text"
            + (f"; the most frequent without one: {named}" if named else "")
        )


def _names(token: str) -> Iterable[str]:
    """The token, and other spellings under which vectors may hold it, the likeliest first."""
    return dict.fromkeys((token, *plainer_forms(token), token.capitalize()))


def with_plainer_forms(tokens: Iterable[str]) -> set[str]:
    """All names under which `WordVectors.table` looks for these tokens."""
    return {name for token in tokens for name in _names(token)}


class WordVectors:
    """Tokens and their vectors.

    Parameters
    ----------
    tokens : sequence of str
    vectors : float array, shape (n_tokens, width)

    Attributes
    ----------
    tokens : list of str
    vectors : float32 array, shape (n_tokens, width)

    Raises
    ------
    ValueError
        Tokens and vectors are not of one number, a token occurs twice, or a number is
        not finite.
    TypeError
        A token is neither a str nor a whole number, but None or NaN, for example.

    Examples
    --------
    >>> from fastlstm import WordVectors
    >>> found = WordVectors(["good", "bad"], [[1.0, 0.0], [0.0, 1.0]])
    >>> found["good"]
    array([1., 0.], dtype=float32)
    """

    def __init__(self, tokens: Sequence[str], vectors) -> None:
        self.tokens = [_as_str(row, token) for row, token in enumerate(tokens)]
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.tokens):
            raise ValueError(
                f"vectors have the shape {self.vectors.shape} and there are {len(self.tokens)} "
                "tokens; pass one row for each token."
            )
        self._rows = {token: row for row, token in enumerate(self.tokens)}
        if len(self._rows) < len(self.tokens):
            twice = next(t for row, t in enumerate(self.tokens) if self._rows[t] != row)
            raise ValueError(f"token {twice!r} occurs twice; drop one of the two.")
        finite = np.isfinite(self.vectors).all(axis=1)
        if not finite.all():
            token = self.tokens[int(np.argmin(finite))]
            raise ValueError(f"the vector of {token!r} holds NaN or infinite values.")

    # -- from elsewhere ----------------------------------------------------------

    @classmethod
    def learn(
        cls, texts, *, size=128, window=8, negatives=5, subsample=1e-4, epochs=4,
        learning_rate=0.025, min_count=2, max_features=None, tokenizer="auto", lowercase=True,
        random_state=0, backend="auto", zh_script=None,
    ) -> WordVectors:  # fmt: skip
        """Learn vectors by skip-gram with negative sampling.

        See docs/explanation/maths.md, section 18.

        Parameters
        ----------
        texts : list, tuple, array or Series of str
        size : int
            Length of a vector.
        window, negatives, subsample, epochs, learning_rate
            As word2vec's; see ``SkipGramOptions``.
        min_count : int
            Tokens that occur less often are left out.
        max_features : int or None
            Tokens at most, the most frequent.
        tokenizer, lowercase, zh_script
            As in :class:`LSTMSentimentClassifier`.
        random_state : int
            The result depends on it alone.
        backend : {"auto", "numba", "cython", "reference"}

        Raises
        ------
        ValueError
            No token occurs ``min_count`` times, or a number is out of its range.
        """
        from fastlstm.kernels.registry import load_backend
        from fastlstm.vectors.learned import SkipGramOptions, skip_gram

        options = SkipGramOptions(window, negatives, subsample, epochs, learning_rate)
        texts, _ = check_documents(texts, name="texts", mend=OF_OTHERS)
        every_token = TextOptions(
            tokenizer=tokenizer, lowercase=lowercase, max_features=None, max_length=None,
            zh_script=zh_script,
        )  # fmt: skip
        encoder, encoded = TextEncoder.learn(texts, every_token)
        sequences, tokens = encoded.sequences, encoder.vocabulary.tokens
        counts = np.bincount(sequences.ids, minlength=len(tokens))
        often = np.flatnonzero(counts[2:] >= min_count) + 2  # ids fall by frequency
        often = often[:max_features]
        if not len(often):
            raise ValueError(f"no token occurs min_count={min_count} times; lower min_count.")
        n_tokens = int(often[-1]) + 1
        known = sequences.ids < n_tokens
        ids = np.where(known, sequences.ids, 1).astype(np.int32)
        vectors = skip_gram(
            load_backend(backend), sequences._replace(ids=ids), n_tokens, int(size),
            np.random.default_rng(random_state), options,
        )  # fmt: skip
        return cls([tokens[i] for i in often], vectors[often])

    @classmethod
    def load(cls, path, tokens: Container[str] | None = None) -> WordVectors:
        """Read vectors from a file.

        Parameters
        ----------
        path : str or path-like
            ``.vec`` or ``.txt``: a token and its numbers a line, with or without a first
            line of two counts, as fastText, GloVe and word2vec write them; ``.bin`` of
            word2vec or fastText, which needs gensim; or ``.npz`` with the arrays "tokens" and
            "vectors", as ``save``. All but ``.npz`` also with ``.gz``.
        tokens : container of str, or None
            Only the vectors of these are kept.

        Warns
        -----
        UserWarning
            Entries are left out, since their tokens are not UTF-8.

        Raises
        ------
        ValueError
            The file is not of that form; the message names the line.
        ImportError
            It is a ``.bin`` and gensim is not installed.
        OSError
            If it cannot be read.
        """
        path = Path(path)
        read = reader_of(path)
        try:
            return cls(*read(path, tokens))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def of(cls, source, tokens: Container[str] | None = None) -> WordVectors:
        """Vectors from a path, from gensim's ``KeyedVectors``, or as they are."""
        if isinstance(source, WordVectors):
            return source
        if isinstance(source, (str, os.PathLike)):
            return cls.load(source, tokens)
        source = getattr(source, "wv", source)
        if not hasattr(source, "index_to_key") or not hasattr(source, "vectors"):
            raise TypeError(
                f"word vectors of type {type(source).__name__} are not known; pass a path, "
                "WordVectors, or gensim's KeyedVectors."
            )
        return cls(*from_gensim(source))

    def save(self, path) -> None:
        """Write vectors to a file, ``.npz`` or, as text, ``.vec`` or ``.txt``.

        Raises
        ------
        ValueError
            The suffix is another, or a token holds white space, which text cannot tell
            from the end of a token.
        """
        path = Path(path)
        if path.suffix == ".npz":
            np.savez(path, tokens=np.array(self.tokens, dtype=str), vectors=self.vectors)
            return
        if path.suffix not in (".vec", ".txt"):
            raise ValueError(f"{path}: the suffix is not .vec, .txt or .npz.")
        spaced = next((token for token in self.tokens if token.split() != [token]), None)
        if spaced is not None:
            raise ValueError(f"token {spaced!r} holds white space; save to a .npz file instead.")
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(f"{len(self.tokens)} {self.vectors.shape[1]}\n")
            for token, vector in zip(self.tokens, self.vectors, strict=True):
                numbers = " ".join(np.format_float_positional(x, unique=True) for x in vector)
                file.write(f"{token} {numbers}\n")

    # -- what is there -------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token) -> bool:
        return token in self._rows

    def __getitem__(self, token) -> np.ndarray:
        return self.vectors[self._rows[token]]

    def __deepcopy__(self, memo) -> WordVectors:
        return self  # scikit-learn's ``clone`` copies parameters, and nothing here changes

    def __repr__(self) -> str:
        return f"<WordVectors of {len(self):,} tokens, {self.vectors.shape[1]} numbers each>"

    @property
    def width(self) -> int:
        """Length of a vector."""
        return self.vectors.shape[1]

    def most_similar(self, token: str, n: int = 10) -> list[tuple[str, float]]:
        """The tokens with the largest cosine similarity, which comes with each.

        Raises
        ------
        KeyError
            The token has no vector.
        """
        norms = np.linalg.norm(self.vectors, axis=1)
        own = self._rows[token]
        cosines = self.vectors @ self.vectors[own] / np.maximum(norms * norms[own], 1e-12)
        order = np.argsort(-cosines, kind="stable")
        return [(self.tokens[i], float(cosines[i])) for i in order[: n + 1] if i != own][:n]

    def table(self, tokens: Sequence[str], counts) -> tuple[np.ndarray, np.ndarray, Coverage]:
        """Vectors of a vocabulary.

        A token without one gets that of its lower-case or capitalised form.

        Parameters
        ----------
        tokens : sequence of str
            Padding and the unknown token may be among them; they have no vector.
        counts : int array, shape (n,)
            How often each occurs.

        Returns
        -------
        vectors : float32 array, shape (n, width)
            0 where there is none.
        found : bool array, shape (n,)
        coverage : Coverage
        """
        rows = np.array([self._row(token) for token in tokens], dtype=np.int64)
        found = rows >= 0
        vectors = np.zeros((len(tokens), self.width), dtype=np.float32)
        vectors[found] = self.vectors[rows[found]]
        counted = np.array([token not in SPECIAL_TOKENS for token in tokens], dtype=bool)
        counts = np.where(counted, np.asarray(counts, dtype=np.int64), 0)
        absent = np.flatnonzero(~found & (counts > 0))
        absent = absent[np.argsort(-counts[absent], kind="stable")][:_NAMED]
        share = counts[found].sum() / max(1, counts.sum())
        missing = [tokens[i] for i in absent.tolist()]
        coverage = Coverage(int(counted.sum()), int(found.sum()), float(share), missing)
        return vectors, found, coverage

    def _row(self, token: str) -> int:
        """Row of a token or of the first of its plainer forms, or -1."""
        if token in SPECIAL_TOKENS:
            return -1
        return next((self._rows[name] for name in _names(token) if name in self._rows), -1)


def _as_str(row: int, token: object) -> str:
    if not isinstance(token, (str, Integral)):
        raise TypeError(f"token {row} is {token!r}; every token must be a str. Drop its vector.")
    return str(token)
