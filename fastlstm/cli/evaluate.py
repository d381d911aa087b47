"""``fastlstm evaluate``: score a model on a file of labelled documents."""

from __future__ import annotations

import click

from fastlstm.cli.beside import documents_of
from fastlstm.cli.documents import check_no_missing, check_order
from fastlstm.cli.errors import note, plain_errors
from fastlstm.cli.output import print_json
from fastlstm.cli.reading import reading_options
from fastlstm.cli.scores import (
    evaluation,
    known_labels,
    note_coverage,
    note_empty,
    note_labels,
    note_truncated,
    print_evaluation,
    without_documents,
)


@click.command("evaluate", short_help="Score a model on a labelled file.")
@click.argument("model", type=click.Path())
@click.argument("file", type=click.Path())
@reading_options("text", "label", "unlabelled")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def evaluate_command(model, file, reading, as_json):
    """Score MODEL on the labelled documents in FILE (csv, tsv, json, jsonl, parquet or
    fastText's txt, also .gz).

    Prints accuracy, precision, recall and F1 of each class, macro-F1 (the mean F1
    of the classes that occur or are predicted), the confusion matrix, and the calibration
    error: how far probabilities are, on average, from how often they are right.
    """
    from fastlstm import Predictor

    check_order("fastlstm evaluate", model, file)
    table = reading.table(file)
    note_labels(table.labels)
    predictor = Predictor(model)
    check_no_missing(file, table, predictor.missing)
    classes = [str(label) for label in predictor.classes_.tolist()]
    labels = known_labels(file, table, classes)
    encoded = predictor.encode(documents_of(predictor.reader, table, file))
    probabilities = predictor.predict_proba(encoded)
    result = evaluation(classes, labels, probabilities)
    note_truncated(encoded.n_truncated, len(labels))
    note_empty(encoded, [classes[i] for i in probabilities.argmax(axis=1)])
    note_coverage(encoded)
    if not as_json:
        print_evaluation(result)
        return
    if result["classes_without_documents"]:
        note(without_documents(result["classes_without_documents"]))
    print_json(result)
