"""``fastlstm quantize``: a smaller file of the same model, which only predicts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from fastlstm.cli.beside import documents_of
from fastlstm.cli.documents import check_no_missing
from fastlstm.cli.errors import plain_errors
from fastlstm.cli.files import check_free, check_target
from fastlstm.cli.output import human_size, print_json, print_pairs
from fastlstm.cli.reading import Reading, reading_options
from fastlstm.cli.scores import known_labels

if TYPE_CHECKING:
    from fastlstm.classifier.fitted import FittedModel
    from fastlstm.data.tables import Table
    from fastlstm.persist.model_file import SavedModel


@click.command("quantize", short_help="Make a model file smaller, for prediction.")
@click.argument("model", type=click.Path())
@click.argument("out", type=click.Path())
@click.option(
    "--check",
    "file",
    type=click.Path(),
    metavar="FILE",
    help="Compare the predictions of both models on the documents of this file.",
)
@reading_options("text", "label")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def quantize_command(model, out, file, reading, force, as_json):
    """Write MODEL with weights of 8 bits to OUT, a file of about a quarter of the size.

    The other commands read OUT as any model; it cannot be trained further. --check FILE
    says how many documents get another class, by how much probabilities change at most
    and, where FILE has labels, the accuracy before and after. OUT is written whatever it says.
    """
    from fastlstm.classifier.quantized import quantized, rounding_errors
    from fastlstm.persist.model_file import read_model, write_model

    check_target(out, [model, file], option="OUT", suffix=".fastlstm")
    saved = read_model(model)
    if saved.model.quantized:
        raise ValueError(f"{model} has weights of 8 bits already; copy it as it is")
    table = None if file is None else _documents(model, saved, file, reading)
    if table is not None:
        check_no_missing(file, table, saved.missing)
    check_free(out, force, "OUT")
    rounded = quantized(saved.model)
    result = {"model": os.fspath(model), "out": os.fspath(out)}
    checked = {} if table is None else {"check": _comparison(file, table, saved, rounded)}
    write_model(saved._replace(model=rounded), out)
    result |= {"bytes_before": os.path.getsize(model), "bytes_after": os.path.getsize(out)}
    result |= {"rounding_errors": rounding_errors(saved.model, rounded), **checked}
    if as_json:
        print_json(result)
    else:
        _print(result)


def _documents(model: str, saved: SavedModel, file: str, reading: Reading) -> Table:
    """The table of ``--check``, with labels if a column of the file is one of labels."""
    from fastlstm.data.columns import LABEL_NAMES, matching

    if saved.model.encoder is None:
        raise ValueError(
            f"{model} holds an LSTMClassifier, which takes token ids; leave --check out"
        )
    table = reading.table(file, need_labels=False)
    labels = matching(table.columns, LABEL_NAMES, table.text_index)
    if table.labels is not None or len(labels) != 1:
        return table
    from fastlstm.data.tables import read_table

    return read_table(  # once more, and not through ``reading``, which would repeat its notes
        file, need_labels=False, text_column=reading.like(table, file).text_column,
        label_column=table.columns[labels[0]], encoding=reading.encoding, header=reading.header,
    )  # fmt: skip


def _comparison(file: str, table: Table, saved: SavedModel, rounded: FittedModel) -> dict:
    """What is different on a table's documents, as ``--json`` prints it."""
    import numpy as np

    from fastlstm.classifier.fitted import Scorer, predicting_precision
    from fastlstm.classifier.quantized import Change
    from fastlstm.core.threads import effective_n_jobs
    from fastlstm.side.reader import read_documents

    classes = [str(label) for label in saved.model.classes.tolist()]
    given = table.labels or []
    labelled = [row for row, label in enumerate(given) if label is not None]
    part = table._replace(
        labels=[given[row] for row in labelled], rows=[table.rows[row] for row in labelled]
    )
    labels = np.array(known_labels(file, part, classes))
    reader = saved.model.reader
    documents = read_documents(reader, documents_of(reader, table, file), missing=saved.missing)
    encoded = documents.of(saved.model.text_encoder.encode(documents.texts))
    scorers = Scorer(saved.model), Scorer(rounded, "auto", predicting_precision(rounded, "auto"))
    before, after = (s.probabilities(encoded, effective_n_jobs(None)) for s in scorers)
    change = Change.between(before, after)
    result = {**change._asdict(), "precision": scorers[1].precision, "n_labelled": len(labelled)}
    for when, found in (("before", before), ("after", after)):
        right = np.array(classes)[found[labelled].argmax(axis=1)] == labels
        result[f"accuracy_{when}"] = float(right.mean()) if labelled else None
    return result


def _print(result: dict) -> None:
    before, after = result["bytes_before"], result["bytes_after"]
    errors = ", ".join(
        f"{name.replace('_', ' ')} {error:.2%}" for name, error in result["rounding_errors"].items()
    )
    pairs: dict[str, object] = {
        "before": f"{result['model']} ({human_size(before)})",
        "after": f"{result['out']} ({human_size(after)}, {after / before:.0%})",
        "rounding": f"{errors} of the size of the weights",
    }
    check = result.get("check")
    if check is not None:
        n, changed = check["n_documents"], check["n_changed"]
        pairs |= {
            "predicted in": check["precision"],
            "other class": f"{changed:,} of {n:,} documents ({changed / n:.2%})",
            "probabilities": f"change by {check['largest_change']:.4f} at most",
        }
        if check["n_labelled"]:
            pairs["accuracy"] = (
                f"{check['accuracy_before']:.4f} before, {check['accuracy_after']:.4f} after, "
                f"of {check['n_labelled']:,} documents with labels"
            )
    print_pairs(pairs)
