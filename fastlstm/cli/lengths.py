"""What the lengths of training documents recommend."""

from __future__ import annotations

from typing import Any, NamedTuple

# Share of documents longer than ``max_length`` from which on it is worth a word.
_SOME = 0.01


class Lengths(NamedTuple):
    """Tokens of the training documents, as far as they are longer than ``max_length``.

    Attributes
    ----------
    n_documents, n_long : int
    longest : int
        Tokens of the longest document; 0 where none is longer.
    times : float
        Tokens that networks would read of all, by those that they read.
    """

    n_documents: int
    n_long: int
    longest: int
    times: float


def lengths_of(clf: Any, texts: list[str]) -> Lengths:
    """Of the texts that ``clf`` was fitted on. Only those are divided that may be long."""
    import numpy as np

    most = clf.encoder_.options.max_length
    if most is None or not clf.truncated_share_:
        return Lengths(len(texts), 0, 0, 1.0)
    tokenize = clf.encoder_.tokenize
    # A token has a character at least.
    lengths = np.array([len(tokenize(text)) for text in texts if len(text) > most])
    of_long = lengths[lengths > most]
    read = np.minimum(lengths, most).sum() + sum(map(_about, (t for t in texts if len(t) <= most)))
    more = float((of_long - most).sum())
    return Lengths(len(texts), len(of_long), int(of_long.max(initial=0)), 1 + more / max(1, read))


def _about(text: str) -> int:
    """Tokens of a short text, without dividing it: words between spaces."""
    return text.count(" ") + 1


def settings_for(lengths: Lengths, clf: Any) -> dict[str, str]:
    """Parameters to try, as ``--set`` takes them; empty where the lengths recommend nothing."""
    from fastlstm.core.lengths import ENOUGH, MANY

    share = lengths.n_long / max(1, lengths.n_documents)
    if share < _SOME:
        return {}
    found = {"max_length": "none"}
    if share >= MANY and lengths.n_documents >= ENOUGH and clf.pooling == "max":
        found["pooling"] = "attention"
    return found


def hint(lengths: Lengths, clf: Any) -> str | None:
    """The same for people."""
    settings = settings_for(lengths, clf)
    if not settings:
        return None
    said = (
        f"Hint: {lengths.n_long:,} of {lengths.n_documents:,} documents have more than "
        f"max_length={clf.encoder_.options.max_length} tokens, the longest {lengths.longest:,}. "
        "With --set max_length=none networks read all of them, and train on about "
        f"{lengths.times:.1f} times as many tokens; a larger number reads more of them."
    )
    if "pooling" in settings:
        said += (
            " Where a few words of a long document decide, --set pooling=attention may find them "
            "better."
        )
    return said
