"""``fastlstm export``: a model as an ONNX graph."""

from __future__ import annotations

import os
from pathlib import Path

import click

from fastlstm.cli.errors import plain_errors
from fastlstm.cli.files import check_free, check_target
from fastlstm.cli.output import human_size, plain, print_json


@click.command("export", short_help="Write a model as an ONNX graph.")
@click.argument("model", type=click.Path())
@click.argument("out", type=click.Path())
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def export_command(model, out, force, as_json):
    """Write MODEL as an ONNX graph to OUT.

    The graph reads token ids of whole documents, padded with 0, and gives the label and the
    probability of each class. Needs onnx: pip install 'fastlstm[onnx]'.
    """
    from fastlstm.data.files import replaced
    from fastlstm.export.model import graph_of
    from fastlstm.persist.model_file import read_model

    check_target(out, [model], option="OUT", suffix=".onnx")
    saved = read_model(model)
    graph = graph_of(saved.model)
    check_free(out, force, "OUT")
    with replaced(Path(out)) as stream:
        stream.write(graph.SerializeToString())
    result = {
        "model": os.fspath(model), "out": os.fspath(out), "bytes": os.path.getsize(out),
        "input": "token ids",
    }  # fmt: skip
    if as_json:
        print_json(result)
    else:
        click.echo(f"Wrote {plain(out)} ({human_size(result['bytes'])}), which reads token ids.")
