"""``fastlstm evaluate``: score a model on a file of labelled documents."""

from __future__ import annotations

import click

from fastlstm.cli.errors import note, plain_errors
from fastlstm.cli.output import listed, print_json
from fastlstm.cli.scores import evaluation, known_labels, note_truncated, print_evaluation


@click.command("evaluate", short_help="Score a model on a labelled file.")
@click.argument("model", type=click.Path())
@click.argument("file", type=click.Path())
@click.option("--text-column", metavar="NAME", help="Column with the documents.")
@click.option("--label-column", metavar="NAME", help="Column with the labels.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def evaluate_command(model, file, text_column, label_column, as_json):
    """Score MODEL on the labelled documents in FILE (csv, tsv or jsonl, also .gz).

    Prints accuracy, precision, recall and F1 of each class, macro-F1 (the mean F1
    of the classes that occur), the confusion matrix, and the calibration error: how far
    probabilities are, on average, from how often they are right.
    """
    from fastlstm import Predictor
    from fastlstm.data.tables import read_table

    table = read_table(file, text_column=text_column, label_column=label_column)
    predictor = Predictor(model)
    classes = [str(label) for label in predictor.classes_.tolist()]
    labels = known_labels(file, table.labels, table.rows, classes)
    encoded = predictor.encode(table.texts)
    result = evaluation(classes, labels, predictor.predict_proba(encoded))
    note_truncated(encoded.n_truncated, len(labels))
    absent = [label for label, row in result["per_class"].items() if not row["support"]]
    if absent:
        note(f"{file} has no document of {listed(map(repr, absent))}.")
    if as_json:
        print_json(result)
    else:
        print_evaluation(result)
