"""What ``train`` and ``tune`` share of their command lines."""

from __future__ import annotations

from functools import reduce

import click

from fastlstm.cli.reading import reading_options


class _WholeNumber(click.IntRange):
    name = "whole number"  # in messages


class Minutes(click.FloatRange):
    """A length of time above 0."""

    name = "number of minutes"

    def __init__(self):
        super().__init__(min=0, min_open=True)


class TrainingCommand(click.Command):
    """A command that says how parameters of the estimator are given."""

    def parse_args(self, ctx, args):
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if as_setting := _as_setting(error.option_name, given):
                error.message = f"{error.message.rstrip('.')}, but a parameter: {as_setting}"
                error.possibilities = []
            raise


def _as_setting(option, args) -> str:
    """How to give what was taken for an option; "" if the estimator has no such parameter."""
    from fastlstm import LSTMSentimentClassifier

    name = option.lstrip("-").replace("-", "_")
    if name not in LSTMSentimentClassifier().get_params():
        return ""
    value = "VALUE"
    for argument, following in zip(args, [*args[1:], None], strict=True):
        if argument.startswith(f"{option}="):
            value = argument.partition("=")[2]
        elif argument == option and following and not following.startswith("--"):
            value = following
    return f"--set {name}={value}"


REVIEWS = click.argument("reviews", type=click.Path())
SETTINGS = click.option(
    "--set", "pairs", multiple=True, metavar="NAME=VALUE",
    help="A parameter of LSTMSentimentClassifier; may be repeated.",
)  # fmt: skip
SEED = click.option("--seed", type=_WholeNumber(0, 2**32 - 1), default=0, show_default=True,
                    metavar="N", help="Seed of everything that is drawn.")  # fmt: skip


EPSILON = click.option(
    "--epsilon", type=click.FloatRange(min=0, min_open=True), metavar="E",
    help="Promise differential privacy to whose documents these are.",
)  # fmt: skip
DELTA = click.option(
    "--delta", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="D",
    help="Goes with --epsilon; else 1 / n^1.1 for n documents.",
)  # fmt: skip

_DATA = (
    click.option("--out", type=click.Path(), help="Model file to write."),
    click.option("--valid", type=click.Path(),
                 help="File to score on, instead of a tenth of REVIEWS."),
    click.option("--report", type=click.Path(),
                 help="Write a page about data, training, scores and errors to this file (HTML)."),
    SETTINGS,
    SEED,
    click.option("--force", is_flag=True, help="Replace the files to write if they exist."),
    click.option("--quiet", is_flag=True, help="No progress, only the result."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
)  # fmt: skip


def training_options(command):
    """REVIEWS, where the data is, what to write, and how much to say."""
    with_data = reduce(lambda so_far, option: option(so_far), reversed(_DATA), command)
    return REVIEWS(reading_options("text", "label", "unlabelled")(with_data))
