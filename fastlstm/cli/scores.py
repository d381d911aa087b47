"""Scores on labelled documents, and the tables that show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fastlstm.cli.errors import note
from fastlstm.cli.output import counted, listed, print_table
from fastlstm.core.shown import display_order

if TYPE_CHECKING:
    from fastlstm.evaluation import Score

_MAX_MATRIX = 12

BASELINE_NAMES = {"majority": "majority class", "tfidf": "TF-IDF + logistic regression"}
SHOWN_NAMES = {**BASELINE_NAMES, "lstm": "fastlstm"}


def known_labels(path, table, classes) -> list[str]:
    """The labels of a file as the model has them, once each of them is known.

    Parameters
    ----------
    path : str
    table : fastlstm.data.tables.Table
        With labels.
    classes : sequence of str

    Raises
    ------
    ValueError
        Names the first row with a label that is not among ``classes``.
    """
    from fastlstm.data.labels import twins

    # Space around labels is not read, but may have been where the model learned them.
    known = {name.strip(): name for name in classes} | {name: name for name in classes}
    for label, row in zip(table.labels, table.rows, strict=True):
        if label not in known:
            near = twins(label, classes)
            hint = f" {near[0]!r} differs only in case, space or number format." if near else ""
            raise ValueError(
                f"{path}: the label on {table.unit} {row} is {label!r}, which the model does not "
                f"know; its classes are {listed(map(repr, in_display_order(classes)))}.{hint} "
                "Correct the label, drop the row, or name another column with --label-column"
            )
    return [known[label] for label in table.labels]


def in_display_order(labels) -> list:
    """Labels in the order in which tables show them."""
    labels = list(labels)
    return [labels[i] for i in display_order(labels)]


def note_labels(labels) -> None:
    """Say on standard error which labels are probably not meant as they stand in a file."""
    from fastlstm.data.labels import label_hints

    for hint in label_hints(Counter(labels)):
        note(f"Hint: {hint}")


def note_coverage(encoded) -> None:
    """Say on standard error if the model knows little of many documents."""
    from fastlstm.core.coverage import coverage_note

    # Nothing can be unknown in a document without a token.
    some = encoded.whole.lengths > 0
    said = coverage_note(encoded.coverage[some], int((~some).sum()))
    if said:
        note(said)


def note_empty(encoded, labels) -> None:
    """Say on standard error how many documents are empty, and what they get.

    Parameters
    ----------
    encoded : Encoded
    labels : sequence, shape (n_documents,)
        What was predicted.
    """
    empty = (encoded.whole.lengths == 0).nonzero()[0]
    if len(empty):
        # All of them have the logits of the class shares.
        get = "document is empty: it gets" if len(empty) == 1 else "documents are empty: they get"
        note(f"{len(empty):,} {get} {labels[empty[0]]!r}, by the class shares of the training.")


def evaluation(classes, y_true, probabilities) -> dict:
    """Scores of predictions, as ``evaluate --json`` prints them.

    Parameters
    ----------
    classes : list of str
        In the order of the probabilities. The result has them in that of
        ``display_order``, also in the confusion matrix: rows are true labels, columns
        predictions.
    y_true : sequence of str
    probabilities : float array, shape (n_documents, n_classes)
    """
    import numpy as np

    from fastlstm.evaluation import Totals, class_numbers, confusion, expected_calibration_error

    order = display_order(classes)
    true, predicted = class_numbers(y_true, classes), probabilities.argmax(axis=1)
    counts = confusion(true, predicted, len(classes))[np.ix_(order, order)]
    classes = [classes[i] for i in order]
    totals = Totals.of(counts)
    per_class = {
        label: {"precision": p, "recall": r, "f1": f, "support": int(n)}
        for label, (p, r, f), n in zip(classes, totals.scores().tolist(), totals.true, strict=True)
    }
    return {
        "accuracy": float(totals.accuracy()),
        "macro_f1": float(totals.macro_f1()),
        "macro_f1_classes": int(totals.n_classes()),
        "calibration_error": expected_calibration_error(
            probabilities.max(axis=1), predicted == true
        ),
        "per_class": per_class,
        "confusion_matrix": counts.tolist(),
        "labels": classes,
        "classes_without_documents": [c for c in classes if not per_class[c]["support"]],
        "n": len(y_true),
    }


def without_documents(labels) -> str:
    """In words, which classes have no document to score on."""
    labels = list(labels)
    n = "1 class has" if len(labels) == 1 else f"{len(labels):,} classes have"
    return f"{n} no document here: {listed(map(repr, labels))}."


def print_evaluation(result: dict) -> None:
    """Tables for people of what ``evaluation`` returned."""
    labels, absent = result["labels"], result["classes_without_documents"]
    n = result["macro_f1_classes"]
    click.echo(
        f"accuracy {result['accuracy']:.3f}, macro-F1 {result['macro_f1']:.3f} "
        f"(of {n:,} class{'es' if n > 1 else ''}), calibration error "
        f"{result['calibration_error']:.3f} on {counted(result['n'], 'document')}"
    )
    if absent:
        click.echo(without_documents(absent))
    print_table(
        ["class", "precision", "recall", "F1", "documents"],
        [
            [label, *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), row["support"]]
            for label, row in result["per_class"].items()
        ],
    )
    if len(labels) > _MAX_MATRIX:
        click.echo(f"The confusion matrix of {len(labels)} classes is in the output of --json.")
        return
    print_table(
        ["true \\ predicted", *labels],
        [[label, *row] for label, row in zip(labels, result["confusion_matrix"], strict=True)],
    )


def print_comparison(scores: dict[str, Score], n_valid: int, absent: Sequence = ()) -> None:
    """The table of the baselines and the model, and in words which is better.

    Parameters
    ----------
    scores : dict
        Scores under "majority", "tfidf" and "lstm".
    n_valid : int
        Number of documents they were measured on.
    absent : sequence
        Classes that none of these documents has.
    """
    print_table(
        ["", "accuracy", "macro-F1", "seconds"],
        [
            [SHOWN_NAMES[key], f"{s.accuracy:.3f}", f"{s.macro_f1:.3f}", f"{s.seconds:.1f}"]
            for key, s in scores.items()
        ],
    )
    few, *_, many = sorted(score.n_classes for score in scores.values())
    over = f"{few:,} to {many:,} classes" if many > few else f"{many:,} classes"
    which = "those that occur there or are predicted"
    if many == 1:
        over, which = "1 class", "the only one that occurs there or is predicted"
    click.echo(f"macro-F1 is the mean over {over}, {which}.")
    if absent:
        click.echo(without_documents(absent))
    click.echo(
        f"On {counted(n_valid, 'document')}, chance alone moves an accuracy by about "
        f"{standard_error(scores, n_valid):.3f} (one standard error)."
    )
    best = best_baseline(scores)
    both = f"{SHOWN_NAMES[best]} has accuracy {scores[best].accuracy:.3f}, fastlstm "
    both += f"{scores['lstm'].accuracy:.3f}."
    if too_close(scores, n_valid):
        click.echo(f"Too close to tell on {counted(n_valid, 'document')}: {both}")
    elif baseline_wins(scores):
        click.echo(f"The baseline wins: {both}")


def best_baseline(scores: dict[str, Score]) -> str:
    """Name of the baseline with the highest accuracy."""
    return max(BASELINE_NAMES, key=lambda name: scores[name].accuracy)


def baseline_wins(scores: dict[str, Score]) -> bool:
    """Whether a baseline has a higher accuracy than the model, by however little."""
    return scores[best_baseline(scores)].accuracy > scores["lstm"].accuracy


def standard_error(scores: dict[str, Score], n_valid: int) -> float:
    """That of an accuracy: the larger of the model's and the best baseline's.

    One right and one wrong answer are added, so that 100 % of a few is not certain.
    """
    errors = []
    for key in (best_baseline(scores), "lstm"):
        share = (scores[key].accuracy * n_valid + 1) / (n_valid + 2)
        errors.append((share * (1 - share) / (n_valid + 2)) ** 0.5)
    return max(errors)


def too_close(scores: dict[str, Score], n_valid: int) -> bool:
    """Whether the model and the best baseline are at most one standard error apart."""
    lead = abs(scores["lstm"].accuracy - scores[best_baseline(scores)].accuracy)
    return lead <= standard_error(scores, n_valid)


def note_truncated(n_truncated: int, n_documents: int) -> None:
    """Say on standard error how many documents were cut, where any were."""
    if n_truncated:
        many = n_truncated > 1
        note(
            f"{n_truncated:,} of {counted(n_documents, 'document')} {'were' if many else 'was'} "
            f"longer than the model's max_length and {'were' if many else 'was'} cut."
        )
