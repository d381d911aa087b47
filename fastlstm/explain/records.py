"""What an explanation holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fastlstm.core.shown import ShownList, excerpt, plain
from fastlstm.explain.html import fragment, fragments
from fastlstm.explain.terminal import as_text


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What each token of a document, and what stands beside it, adds to the logits of classes.

    ``baseline + contributions.sum(axis=0) + beside.sum(axis=0) + gap == logits``. In a
    notebook it shows itself as text with coloured tokens; ``print`` gives a table of the
    strongest ones.

    Attributes
    ----------
    text : str
        As it was given.
    tokens : tuple of str
        As the model reads them.
    offsets : int64 array, shape (n_tokens, 2)
        Token ``i`` is ``text[offsets[i, 0]:offsets[i, 1]]``; (-1, -1) where a callable
        tokenizer made a token that does not stand in the text.
    contributions : float64 array, shape (n_tokens, n_targets)
        In logits. An n-gram's share is spread over its tokens.
    targets : array, shape (n_targets,)
        The classes that are explained. With two classes the logit of one is its log-odds.
    logits : float64 array, shape (n_targets,)
    baseline : float64 array, shape (n_targets,)
        Logits of what the method compares the document with.
    gap : float64 array, shape (n_targets,)
        What the contributions leave unexplained.
    read : bool array, shape (n_tokens,)
        Whether the networks read the token, or it was cut off from a long document.
    known : bool array, shape (n_tokens,)
        Whether the token is in the vocabulary.
    predicted : label
    probability : float
        Of the predicted class.
    method : str
    passes : int
        Cost in forward passes; a backward pass counts as two.
    columns : tuple of str
        What stands beside the text: names of columns, or of the numbers of a vector.
    beside : float64 array, shape (n_columns, n_targets)
        What they add, in logits: exact under every method.
    attention : float64 array, shape (n_tokens,), or None
        With ``pooling="attention"``: the share that each token's output has in the vector that
        is classified, on average over the networks. It says where a network looks, and not what
        it makes of it.
    """

    text: str
    tokens: tuple[str, ...]
    offsets: np.ndarray
    contributions: np.ndarray
    targets: np.ndarray
    logits: np.ndarray
    baseline: np.ndarray
    gap: np.ndarray
    read: np.ndarray
    known: np.ndarray
    predicted: object
    probability: float
    method: str
    passes: int
    columns: tuple[str, ...] = ()
    beside: np.ndarray = field(default_factory=lambda: np.zeros((0, 1)))
    attention: np.ndarray | None = None

    def column(self, target=None) -> int:
        """Number of a target; None is the predicted class or, if that is none, the first.

        Raises
        ------
        ValueError
            If it was not explained.
        """
        wanted = self.predicted if target is None else target
        found = np.flatnonzero(self.targets == wanted)
        if len(found):
            return int(found[0])
        if target is None:
            return 0
        raise ValueError(f"target={target!r} was not explained; use one of {self.targets.tolist()}")

    def top(self, n: int = 10, target=None) -> list[tuple[str, float]]:
        """The ``n`` tokens that add or take most, strongest first, each place on its own.

        Raises
        ------
        ValueError
            If ``n`` is negative, or the target was not explained.
        """
        if n < 0:
            raise ValueError(f"n={n} is negative; pass the number of tokens.")
        values = self.contributions[:, self.column(target)]
        order = np.argsort(-np.abs(values), kind="stable")[:n]
        return [(self.tokens[i], float(values[i])) for i in order]

    def columns_by_strength(self, target=None) -> list[tuple[str, float]]:
        """What stands beside the text, and what each adds, strongest first."""
        values = self.beside[:, self.column(target)] if self.columns else np.zeros(0)
        order = np.argsort(-np.abs(values), kind="stable")
        return [(self.columns[i], float(values[i])) for i in order]

    @property
    def coverage(self) -> float:
        """Share of the tokens that the model knows; 0 where there is none."""
        return float(np.mean(self.known)) if len(self.known) else 0.0

    def as_dict(self) -> dict:
        """Everything as lists, strings and numbers that JSON can hold."""
        out: dict = {"coverage": self.coverage}
        for name, value in self.__dict__.items():
            value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            out[name] = list(value) if isinstance(value, tuple) else value
        return out

    def __repr__(self) -> str:
        return (
            f"<Explanation of {excerpt(self.text)!r}: {plain(self.predicted)}, "
            f"{self.probability:.1%}>"
        )

    def _repr_html_(self) -> str:
        return fragment(self)

    def __str__(self) -> str:
        return as_text(self)


class Explanations(ShownList[Explanation]):
    """A list of explanations that a notebook shows as texts with coloured tokens.

    The first few of them; ``explanation_page`` makes a page of all.
    """

    def _html_of(self, first: list[Explanation]) -> str:
        return fragments(first)
