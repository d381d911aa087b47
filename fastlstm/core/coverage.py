"""How much of a text a model knows: where it counts as too little, and what is said then."""

from __future__ import annotations

import numpy as np

# Of texts like those that were trained on, hardly any has a smaller share of known tokens;
# of texts in another script nearly all have, and of those in another language most.
LOW_COVERAGE = 0.5

# Share of the documents that may be so unlike the training texts before it is said.
_TOLERATED = 0.2


def coverage_note(coverage: np.ndarray, n_empty: int = 0) -> str | None:
    """What to tell whoever gave documents of which many are unknown to the model.

    Parameters
    ----------
    coverage : float array, shape (n_documents,)
        As ``Encoded.coverage``, of the documents that hold a token.
    n_empty : int, default=0
        How many others there are.

    Returns
    -------
    note : str or None
        None where at most a fifth of the documents have a coverage below 0.5.
    """
    n = len(coverage)
    beside = ""
    if n_empty:
        beside = " that are not empty" if n > 1 else " that is not empty"
    n_low = int(np.count_nonzero(coverage < LOW_COVERAGE))
    if n_low <= _TOLERATED * n:
        return None
    if n == 1:
        where, them, are = "the document", "it", "Is it"
    else:
        where = f"all {n:,} documents" if n_low == n else f"{n_low:,} of {n:,} documents"
        them, are = "them", "Are they"
    return (
        f"The model knows less than half of the tokens in {where}{beside}, so what it says of "
        f"{them} means little. {are} in the language and of the kind that it was trained on?"
    )


def document_note(known: np.ndarray) -> str | None:
    """The same of one document, of which ``known`` says which tokens the model knows."""
    n, n_known = len(known), int(np.count_nonzero(known))
    if not n or n_known >= LOW_COVERAGE * n:
        return None
    return f"The model knows {n_known:,} of {n:,} tokens: what it says of this text means little."
