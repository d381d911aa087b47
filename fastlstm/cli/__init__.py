"""The command ``fastlstm``: train, tune, evaluate, predict, explain, quantize, export, audit, info,
demo.

Importing it loads click and nothing heavier: each command imports what it needs
when it runs.
"""

from __future__ import annotations

import click

import fastlstm
from fastlstm.cli.audit import audit_command
from fastlstm.cli.demo import demo_command
from fastlstm.cli.evaluate import evaluate_command
from fastlstm.cli.explain import explain_command
from fastlstm.cli.export import export_command
from fastlstm.cli.info import info_command
from fastlstm.cli.predict import predict_command
from fastlstm.cli.quantize import quantize_command
from fastlstm.cli.train import train_command
from fastlstm.cli.tune import tune_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fastlstm.__version__, prog_name="fastlstm")
def main():
    """Train and use LSTM text classifiers on CPUs.

    Begin with "fastlstm demo", or with a file of labelled texts:
    "fastlstm train reviews.csv".
    """


for _command in (
    train_command, tune_command, evaluate_command, predict_command, explain_command,
    quantize_command, export_command, audit_command, info_command, demo_command,
):  # fmt: skip
    main.add_command(_command)
