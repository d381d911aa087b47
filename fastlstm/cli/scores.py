"""Scores on labelled documents, and the tables that show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fastlstm.cli.errors import note
from fastlstm.cli.output import listed, print_table

if TYPE_CHECKING:
    from fastlstm.evaluation import Score

_MAX_MATRIX = 12

BASELINE_NAMES = {"majority": "majority class", "tfidf": "TF-IDF + logistic regression"}


def known_labels(path, labels, rows, classes) -> list[str]:
    """The labels, once each of them is known.

    Parameters
    ----------
    path : str
    labels : list of str
    rows : list of int
        Line of each label in the file.
    classes : sequence of str

    Raises
    ------
    ValueError
        Names the first line with a label that is not among ``classes``.
    """
    known = set(classes)
    for label, row in zip(labels, rows, strict=True):
        if label not in known:
            raise ValueError(
                f"{path}: the label on line {row} is {label!r}, which the model does not know; "
                f"its classes are {listed(map(repr, classes))}. Correct the label, drop the row, "
                "or name another column with --label-column"
            )
    return labels


def evaluation(classes, y_true, probabilities) -> dict:
    """Scores of predictions, as ``evaluate --json`` prints them.

    Parameters
    ----------
    classes : list of str
        The order of the confusion matrix: rows are true labels, columns predictions.
    y_true : sequence of str
    probabilities : float array, shape (n_documents, n_classes)
    """
    from fastlstm.evaluation import Totals, class_numbers, confusion, expected_calibration_error

    true, predicted = class_numbers(y_true, classes), probabilities.argmax(axis=1)
    counts = confusion(true, predicted, len(classes))
    totals = Totals.of(counts)
    per_class = {
        label: {"precision": p, "recall": r, "f1": f, "support": int(n)}
        for label, (p, r, f), n in zip(classes, totals.scores().tolist(), totals.true, strict=True)
    }
    return {
        "accuracy": float(totals.accuracy()),
        "macro_f1": float(totals.macro_f1()),
        "calibration_error": expected_calibration_error(
            probabilities.max(axis=1), predicted == true
        ),
        "per_class": per_class,
        "confusion_matrix": counts.tolist(),
        "labels": list(classes),
        "n": len(y_true),
    }


def print_evaluation(result: dict) -> None:
    """Tables for people of what ``evaluation`` returned."""
    click.echo(
        f"accuracy {result['accuracy']:.3f}, macro-F1 {result['macro_f1']:.3f}, "
        f"calibration error {result['calibration_error']:.3f} on {result['n']:,} documents"
    )
    print_table(
        ["class", "precision", "recall", "F1", "documents"],
        [
            [label, *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), row["support"]]
            for label, row in result["per_class"].items()
        ],
    )
    labels = result["labels"]
    if len(labels) > _MAX_MATRIX:
        click.echo(f"The confusion matrix of {len(labels)} classes is in the output of --json.")
        return
    print_table(
        ["true \\ predicted", *labels],
        [[label, *row] for label, row in zip(labels, result["confusion_matrix"], strict=True)],
    )


def print_comparison(scores: dict[str, Score], n_valid: int) -> None:
    """The table of the baselines and the LSTM, and in words which is better.

    Parameters
    ----------
    scores : dict
        Scores under "majority", "tfidf" and "lstm".
    n_valid : int
        Number of documents they were measured on.
    """
    names = {**BASELINE_NAMES, "lstm": "LSTM"}
    print_table(
        ["", "accuracy", "macro-F1", "seconds"],
        [
            [names[key], f"{s.accuracy:.3f}", f"{s.macro_f1:.3f}", f"{s.seconds:.1f}"]
            for key, s in scores.items()
        ],
    )
    lstm = scores["lstm"].accuracy
    # One right and one wrong answer are added, so that 100 % of a few is not certain.
    share = (lstm * n_valid + 1) / (n_valid + 2)
    error = (share * (1 - share) / (n_valid + 2)) ** 0.5
    click.echo(
        f"On {n_valid:,} documents, chance alone moves an accuracy by about {error:.3f} "
        "(one standard error)."
    )
    key = winning_baseline(scores)
    if key is not None:
        click.echo(
            f"The baseline wins: {names[key]} has accuracy {scores[key].accuracy:.3f}, "
            f"the LSTM {lstm:.3f}."
        )


def winning_baseline(scores: dict[str, Score]) -> str | None:
    """Name of the baseline with a higher accuracy than the LSTM's, or None."""
    best = max(BASELINE_NAMES, key=lambda name: scores[name].accuracy)
    return best if scores[best].accuracy > scores["lstm"].accuracy else None


def note_truncated(n_truncated: int, n_documents: int) -> None:
    """Say on standard error how many documents were cut, where any were."""
    if n_truncated:
        note(
            f"{n_truncated:,} of {n_documents:,} documents were longer than the model's "
            "max_length and were cut."
        )
