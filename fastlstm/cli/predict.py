"""``fastlstm predict``: label texts with a model."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import click

from fastlstm.cli.beside import documents_of
from fastlstm.cli.documents import TextCommand, check_no_missing, given_documents
from fastlstm.cli.errors import note, plain_errors
from fastlstm.cli.files import check_free, check_target
from fastlstm.cli.long_text import predict_document
from fastlstm.cli.output import counted, print_json, print_table
from fastlstm.cli.reading import Reading, reading_options
from fastlstm.cli.scores import note_coverage, note_empty, note_truncated
from fastlstm.core.shown import display_order


@click.command("predict", cls=TextCommand, short_help="Label texts with a model.")
@click.argument("model", type=click.Path())
@click.argument("text", nargs=-1)
@click.option("--file", type=click.Path(),
              help="Documents: csv, tsv, json, jsonl, parquet or txt, also .gz.")  # fmt: skip
@click.option("--document", type=click.Path(), multiple=True,
              help="A file that is one text, however long; also .gz.")  # fmt: skip
@reading_options("text")
@click.option(
    "--proba",
    is_flag=True,
    help="Give the probability of each class, and the share of known tokens.",
)
@click.option("--drop", is_flag=True, help="Leave out the other columns of --file.")
@click.option("--format", "kind", help="What to write, whatever the suffix of --out.",
              type=click.Choice(["csv", "tsv", "jsonl", "json", "parquet"]))  # fmt: skip
@click.option("--out", type=click.Path(),
              help="Write to this file: .csv, .tsv, .jsonl, .json or .parquet.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file of --out if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def predict_command(
    model, text, file, document, reading, proba, drop, kind, out, force, as_json
):  # fmt: skip
    """Label each TEXT, or the documents of --file, or of standard input.

    Standard input holds one document a line, and is read when there is no TEXT, or
    when TEXT is "-". A text that begins with a dash goes after "--". The result is
    a table on a terminal and csv elsewhere; --out takes its format from the file's
    suffix. Rows keep their order, and those of --file their other columns; the
    prediction is in a column "label", or "predicted" if the file has labels.
    A whole file is one text with --document, which is never held in memory.
    """
    from fastlstm import Predictor

    if document:
        tabular = reading._replace(encoding=None) != Reading()
        if text or file or out or kind or drop or force or tabular or len(document) > 1:
            raise click.UsageError(
                "--document is one file, and goes with --proba, --json and --encoding alone."
            )
        predict_document(model, document[0], reading.encoding, proba, as_json)
        return
    if out is not None:
        check_target(out, [model, file])
    kind = _checked_format(kind, out)
    table = given_documents("predict", model, text, file, reading)
    texts = table.texts
    predictor = Predictor(model)
    check_no_missing(file, table, predictor.missing)
    if out is not None:
        check_free(out, force)
    encoded = predictor.encode(documents_of(predictor.reader, table, file))
    found = _predictions(predictor.classes_, predictor.predict_proba(encoded), proba)
    found = found._replace(coverage=encoded.coverage.tolist())
    note_truncated(encoded.n_truncated, len(texts))
    note_empty(encoded, found.labels)
    note_coverage(encoded)
    if out is not None:
        _write(out, table, file, kind or "csv", drop, found)
        note(f"Wrote {counted(len(texts), 'prediction')} to {out}.")
    if as_json:
        print_json(_as_object(texts, found))
    elif out is None and kind is None and text and sys.stdout.isatty():
        _print(texts, found)
    elif out is None:
        if "utf" not in sys.stdout.encoding.lower():
            note(f"Standard output is {sys.stdout.encoding}; --out FILE keeps all characters.")
        _write(sys.stdout, table, file, kind or "csv", drop, found)


class _Predictions(NamedTuple):
    """The label of each document, each class's probabilities if wanted, and what it knows."""

    labels: list
    probabilities: dict[str, list[float]]
    coverage: list[float] = []

    @property
    def numbers(self) -> dict[str, list[float]]:
        """Columns beside the label: nothing unless probabilities are wanted."""
        if not self.probabilities:
            return {}
        shares = {f"p_{name}": values for name, values in self.probabilities.items()}
        return {**shares, "coverage": self.coverage}


def _predictions(classes, probabilities, proba) -> _Predictions:
    labels = classes[probabilities.argmax(axis=1)].tolist()
    shown = display_order(classes.tolist()) if proba else []
    return _Predictions(labels, {str(classes[i]): probabilities[:, i].tolist() for i in shown})


def _checked_format(kind, out) -> str | None:
    """The format to write, None if nothing says one; refused before time is spent."""
    from fastlstm.data.parquet import need_pyarrow
    from fastlstm.data.writing import written_format

    if out is not None and kind is None:
        kind = written_format(out)
    if kind == "parquet":
        if out is None:
            raise click.UsageError("--format parquet needs --out.")
        need_pyarrow(out)
    return kind


def _write(target, table, file, kind, drop, found):
    from fastlstm.data.columns import LABEL_NAMES, matching
    from fastlstm.data.writing import distinct, write_columns

    names, columns = _kept(table, kind, drop)
    # A file with two columns for labels could not be scored.
    labels = matching(names, LABEL_NAMES)
    new: dict[str, list] = {"predicted" if labels else "label": found.labels}
    new |= found.numbers
    added = distinct([*names, *new])[len(names) :]
    if labels:
        note(f"{file} has a column {names[labels[0]]!r}; predictions are in {added[0]!r}.")
    write_columns(target, [*names, *added], [*columns, *new.values()], kind)


def _kept(table, kind, drop) -> tuple[list[str], Any]:
    """Names and values of the columns that were read, as they were."""
    parsed = table.parsed
    if drop or parsed is None:
        return ["text"], [table.texts]
    names = list(parsed.columns)
    if parsed.header is False:
        names[table.text_index] = "text"
    if kind == "parquet" and parsed.arrow is not None:
        return names, parsed.arrow.columns
    return names, [parsed.column(index) for index in range(len(names))]


def _as_object(texts, found) -> dict:
    predictions = [
        {"text": text, "label": label, "coverage": coverage}
        for text, label, coverage in zip(texts, found.labels, found.coverage, strict=True)
    ]
    for name, values in found.probabilities.items():
        for prediction, value in zip(predictions, values, strict=True):
            prediction.setdefault("probabilities", {})[name] = value
    return {"predictions": predictions, "n": len(texts)}


def _print(texts, found):
    header = ["text", "label", *found.numbers]
    numbers = [[f"{number:.3f}" for number in values] for values in found.numbers.values()]
    print_table(header, list(zip(texts, found.labels, *numbers, strict=True)), n_text=2)
