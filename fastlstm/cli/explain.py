"""``fastlstm explain``: which words made the model say what it says."""

from __future__ import annotations

from pathlib import Path

import click

from fastlstm.cli.beside import documents_of
from fastlstm.cli.documents import TextCommand, check_no_missing, given_documents
from fastlstm.cli.errors import note, plain_errors
from fastlstm.cli.files import check_free, check_target
from fastlstm.cli.output import console, counted, print_json
from fastlstm.cli.reading import reading_options
from fastlstm.core.methods import METHODS


@click.command("explain", cls=TextCommand, short_help="Show which words made the model say so.")
@click.argument("model", type=click.Path())
@click.argument("text", nargs=-1)
@click.option("--file", type=click.Path(),
              help="Documents: csv, tsv, json, jsonl, parquet or txt, also .gz.")  # fmt: skip
@reading_options("text")
@click.option("--method", type=click.Choice(METHODS), default=METHODS[0], show_default=True,
              help="How contributions are computed.")  # fmt: skip
@click.option("--target", metavar="LABEL", help="Class to explain, instead of the predicted one.")
@click.option("--html", type=click.Path(), help="Write a page for a browser to this file.")
@click.option("--force", is_flag=True, help="Replace the file of --html if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def explain_command(model, text, file, reading, method, target, html, force, as_json):
    """Show what each word of a TEXT adds to the prediction of MODEL.

    Words on blue speak for the class and words on orange against it. Documents may
    come from --file or standard input, as with "fastlstm predict".
    """
    from fastlstm import Predictor
    from fastlstm.explain.documents import PREDICTED

    if html is not None:
        check_target(html, [model, file], option="--html", suffix=".html")
    table = given_documents("explain", model, text, file, reading)
    predictor = Predictor(model)
    check_no_missing(file, table, predictor.missing)
    if html is not None:
        check_free(html, force, "--html")
    label = None if target is None else _label(predictor.classes_, target)
    if label is None and not as_json:
        label = PREDICTED  # what is shown
    explanations = predictor.explain(
        documents_of(predictor.reader, table, file), method=method, target=label
    )
    if html is not None:
        _write_page(html, explanations)
    if as_json:
        print_json({"explanations": [each.as_dict() for each in explanations]})
    elif html is None:
        _print(explanations)


def _label(classes, name):
    """The class of that name, whose label may be a number."""
    for label in classes.tolist():
        if str(label) == name:
            return label
    names = ", ".join(map(str, classes.tolist()))
    raise click.UsageError(f"--target {name} is none of the model's classes: {names}.")


def _write_page(path, explanations):
    from fastlstm.data.files import replaced
    from fastlstm.explain.html import explanation_page

    with replaced(Path(path)) as stream:
        stream.write(explanation_page(explanations).encode("utf-8"))
    note(f"Wrote {counted(len(explanations), 'explanation')} to {path}.")


def _print(explanations):
    from fastlstm.explain.terminal import as_rich, as_text

    screen = console()
    for explanation in explanations:
        screen.print(as_rich(explanation))
        click.echo(as_text(explanation))
        click.echo()
