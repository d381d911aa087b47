"""One text of any length in ``fastlstm predict``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from fastlstm.cli.errors import note
from fastlstm.cli.output import print_json, print_pairs
from fastlstm.cli.scores import in_display_order


def predict_document(
    model: str, path: str, encoding: str | None, proba: bool, as_json: bool
) -> None:
    """Print what a model says of a whole file, or of standard input, which is one text."""
    from fastlstm import Predictor
    from fastlstm.core.progress import task_bar
    from fastlstm.text.pieces import texts_of

    predictor = Predictor(model)
    with task_bar("reading", sys.stderr.isatty()) as report:
        if path == "-":
            found = predictor.predict_long(sys.stdin)
        else:
            found = predictor.predict_long(_reported(texts_of(path, encoding), path, report))
    if not found.n_tokens:
        note("The text has no token: the answer is that of the classes' shares in training.")
    elif found.n_read < found.n_tokens:
        note(
            f"The networks read {found.n_read:,} of {found.n_tokens:,} tokens, as the model's "
            "max_length says. One that reads more has to be trained so: --set max_length=none."
        )
    shares = {str(name): float(p) for name, p in zip(
        predictor.classes_, found.probabilities, strict=True
    )}  # fmt: skip
    answer = {
        "label": found.label.item() if hasattr(found.label, "item") else found.label,
        "n_tokens": found.n_tokens, "n_read": found.n_read, "coverage": found.coverage,
    }  # fmt: skip
    if as_json:
        print_json({**answer, "probabilities": shares} if proba else answer)
        return
    shown: dict[str, object] = {
        "label": answer["label"], "tokens": f"{found.n_tokens:,}", "known": f"{found.coverage:.1%}",
    }  # fmt: skip
    if proba:
        shown |= {f"p_{name}": f"{shares[name]:.3f}" for name in in_display_order(shares)}
    print_pairs(shown)


def _reported(texts: Iterator[str], path: str, report) -> Iterator[str]:
    """The same texts; ``report`` gets the share of the file that was read, if it is not None."""
    done, size = 0, max(1, os.path.getsize(path)) if report is not None else 1
    for text in texts:
        yield text
        if report is not None:
            done += len(text.encode("utf-8", "replace"))
            report(min(1.0, done / size))
