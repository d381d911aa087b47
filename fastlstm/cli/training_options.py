"""The options that ``train`` and ``tune`` share."""

from __future__ import annotations

from functools import reduce

import click

from fastlstm.cli.reading import reading_options

_REVIEWS = click.argument("reviews", type=click.Path())

_DATA = (
    click.option("--out", type=click.Path(),
                 help="Model file to write; may replace an older model."),
    click.option("--valid", type=click.Path(),
                 help="File to score on, instead of a tenth of REVIEWS."),
    click.option("--report", type=click.Path(),
                 help="Write a page about data, training, scores and errors to this file (HTML)."),
    click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE",
                 help="A parameter of LSTMSentimentClassifier; may be repeated."),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True,
                 help="Seed of everything that is drawn."),
    click.option("--force", is_flag=True, help="Replace the files to write, whatever they are."),
    click.option("--quiet", is_flag=True, help="No progress, only the result."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
)  # fmt: skip


def training_options(command):
    """REVIEWS, where the data is, what to write, and how much to say."""
    with_data = reduce(lambda so_far, option: option(so_far), reversed(_DATA), command)
    return _REVIEWS(reading_options("text", "label")(with_data))
