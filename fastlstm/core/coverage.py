"""How much of a text a model knows: where it counts as too little, and what is said then."""

from __future__ import annotations

import numpy as np

# Of texts like those that were trained on, hardly any has a smaller share of known tokens;
# of texts in another language nearly all have.
LOW_COVERAGE = 0.5

# Share of the documents that may be so unlike the training texts before it is said.
_TOLERATED = 0.2


def coverage_note(coverage: np.ndarray) -> str | None:
    """What to tell whoever gave documents of which many are unknown to the model.

    Parameters
    ----------
    coverage : float array, shape (n_documents,)
        As ``Encoded.coverage``.

    Returns
    -------
    note : str or None
        None where at most a fifth of the documents have a coverage below 0.5.
    """
    n = len(coverage)
    n_low = int(np.count_nonzero(coverage < LOW_COVERAGE))
    if n_low <= _TOLERATED * n:
        return None
    which = f"Of {n_low:,} of {n:,} documents" if n > 1 else "Of the document"
    return (
        f"{which} the model knows less than half of the tokens, so what it says of them means "
        "little. Are they in the language and of the kind that it was trained on?"
    )


def document_note(known: np.ndarray) -> str | None:
    """The same of one document, of which ``known`` says which tokens the model knows."""
    n, n_known = len(known), int(np.count_nonzero(known))
    if not n or n_known >= LOW_COVERAGE * n:
        return None
    return f"The model knows {n_known:,} of {n:,} tokens: what it says of this text means little."
