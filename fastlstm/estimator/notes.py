"""What a fit tells beside its result."""

from __future__ import annotations

import warnings

from fastlstm.classifier.fitted import FittedModel
from fastlstm.core.errors import TruncationWarning
from fastlstm.core.options import Options
from fastlstm.core.records import Encoded
from fastlstm.training.interrupts import Guard


def what_is_kept(model: FittedModel, guard: Guard, linear: bool, options: Options) -> str:
    """What to tell about an interrupted fit."""
    kept, wanted = len(model.networks), max(len(model.networks), int(options.n_estimators))
    beside = " and a linear part" if linear else ""
    return (
        f"Ctrl-C ended fit {guard.where}. The estimator has what was trained by then: "
        f"{kept} of {wanted} networks{beside}."
    )


def warn_truncated(encoded: Encoded, max_length) -> None:
    """Say what truncation cost; silent when nothing was cut."""
    cut, n = encoded.n_truncated, encoded.n_documents
    if cut:
        warnings.warn(
            f"{cut} of {n} documents ({cut / n:.1%}) were longer than "
            f"max_length={max_length} and lost {encoded.tokens_lost} tokens in all. "
            "Raise max_length, which reads all as None, or choose which part to keep with "
            "truncation.",
            TruncationWarning,
            stacklevel=4,
        )
