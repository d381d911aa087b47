"""``fastlstm predict``: label texts with a model."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fastlstm.cli.documents import TextCommand, given_texts
from fastlstm.cli.errors import note, plain_errors
from fastlstm.cli.files import check_target
from fastlstm.cli.output import print_json, print_table
from fastlstm.cli.scores import note_truncated


@click.command("predict", cls=TextCommand, short_help="Label texts with a model.")
@click.argument("model", type=click.Path())
@click.argument("text", nargs=-1)
@click.option("--file", type=click.Path(), help="Documents: csv, tsv, jsonl or txt, also .gz.")
@click.option("--text-column", metavar="NAME", help="Column of --file with the documents.")
@click.option("--proba", is_flag=True, help="Give the probability of each class.")
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), help="What to write.")
@click.option("--out", type=click.Path(), help="Write to this file (UTF-8).")
@click.option("--force", is_flag=True, help="Replace the file of --out if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def predict_command(model, text, file, text_column, proba, kind, out, force, as_json):
    """Label each TEXT, or the documents of --file, or of standard input.

    Standard input holds one document a line, and is read when there is no TEXT, or
    when TEXT is "-". A text that begins with a dash goes after "--". The result is
    a table on a terminal and csv elsewhere; --out also takes its format from the
    file's suffix (.jsonl). Rows keep their order.
    """
    from fastlstm import Predictor

    texts = given_texts("predict", model, text, file, text_column)
    if out is not None:
        check_target(out, [model, file], force=force)
    predictor = Predictor(model)
    encoded = predictor.encode(texts)
    probabilities = predictor.predict_proba(encoded)
    note_truncated(encoded.n_truncated, len(texts))
    classes = predictor.classes_.tolist()
    if out is not None:
        _write(out, kind or _format_of(out), texts, classes, probabilities, proba)
        note(f"Wrote {len(texts):,} predictions to {out}.")
    if as_json:
        print_json(_as_object(texts, classes, probabilities, proba))
    elif out is None and kind is None and text and sys.stdout.isatty():
        _print(texts, classes, probabilities, proba)
    elif out is None:
        if "utf" not in sys.stdout.encoding.lower():
            note(f"Standard output is {sys.stdout.encoding}; --out FILE keeps all characters.")
        _write(sys.stdout, kind or "csv", texts, classes, probabilities, proba)


def _format_of(path) -> str:
    suffixes = [suffix.lower() for suffix in Path(path).suffixes if suffix.lower() != ".gz"]
    return "jsonl" if suffixes and suffixes[-1] in (".jsonl", ".ndjson") else "csv"


def _write(target, kind, texts, classes, probabilities, proba):
    from fastlstm.data.tables import write_predictions

    names = [f"p_{label}" for label in classes] if proba else []
    shown = probabilities.tolist() if proba else [[]] * len(texts)
    records = (
        {"text": text, "label": classes[best], **dict(zip(names, values, strict=True))}
        for text, best, values in zip(texts, probabilities.argmax(axis=1), shown, strict=True)
    )
    write_predictions(target, records, ["text", "label", *names], kind)


def _as_object(texts, classes, probabilities, proba) -> dict:
    predictions = []
    for text, row in zip(texts, probabilities, strict=True):
        prediction = {"text": text, "label": classes[row.argmax()]}
        if proba:
            named = zip(map(str, classes), row.tolist(), strict=True)
            prediction["probabilities"] = dict(named)
        predictions.append(prediction)
    return {"predictions": predictions, "n": len(texts)}


def _print(texts, classes, probabilities, proba):
    header = ["text", "label", *([f"p_{label}" for label in classes] if proba else [])]
    rows = []
    for text, row in zip(texts, probabilities, strict=True):
        numbers = [f"{p:.3f}" for p in row] if proba else []
        rows.append([text, classes[row.argmax()], *numbers])
    print_table(header, rows, n_text=2)
