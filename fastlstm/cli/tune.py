"""``fastlstm tune``: better parameters in a time budget, and the model they give."""

from __future__ import annotations

import math
import sys
import warnings

import click

from fastlstm.cli.errors import note, plain_errors
from fastlstm.cli.fitting import fit_and_score, with_baselines
from fastlstm.cli.output import print_json
from fastlstm.cli.settings import classifier_of
from fastlstm.cli.train import (
    check_targets_free,
    print_training_report,
    read_split,
    targets,
    training_report,
    write_report,
)
from fastlstm.cli.training_options import Minutes, TrainingCommand, training_options
from fastlstm.core.progress import live_view

_SHOWN = 10


@click.command(
    "tune", cls=TrainingCommand, short_help="Search for better parameters, and train with them."
)
@training_options
@click.option("--minutes", type=Minutes(), default=5.0, show_default=True, metavar="N",
              help="Time for the search; training follows.")  # fmt: skip
@click.option("--metric", type=click.Choice(["accuracy", "macro_f1"]), default="accuracy",
              show_default=True, help="What to raise.")  # fmt: skip
@plain_errors
def tune_command(
    reviews, minutes, metric, reading, out, valid, report, pairs, seed, force, quiet, as_json,
):  # fmt: skip
    """Try parameters on the labelled documents in REVIEWS for some minutes, and train.

    Networks with other parameters are trained on part of the documents and scored on
    another part; the worse ones end early. What --set names stays as it is set. The best
    parameters, or those it began with if none were better, then train on all of them, and
    the model is scored as by train, on documents that chose nothing. Ctrl-C ends the
    search, and the next one training; both keep what there is by then. Needs Optuna:
    pip install 'fastlstm[tune]'.
    """
    from fastlstm.estimator.tuning import NOTHING_FOUND, import_optuna, tune
    from fastlstm.training.interrupts import InterruptGuard, guarded_by

    target = targets(reviews, out, report, [reviews, valid])
    import_optuna()
    talkative = not (quiet or as_json)
    clf, settings = classifier_of(pairs, missing="empty", random_state=seed)
    data = read_split(reviews, valid, reading, clf, seed)
    check_targets_free(target, report, force)
    if talkative:
        click.echo("\n".join(data.about))
    # Nothing but the search chooses: the documents to score on stay unseen.
    data = data._replace(chooses_epoch=False)
    with (
        live_view(talkative and sys.stderr.isatty()) as show,
        guarded_by(InterruptGuard()),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", NOTHING_FOUND)  # it is printed with the result
        found = tune(
            data.texts, data.labels, minutes=minutes, estimator=clf, metric=metric,
            random_state=seed, fixed=settings,
            report=show and (lambda trials: show(_rendered(trials, metric))),
        )  # fmt: skip
    if found.stopped_by == "interrupt":
        note("Ctrl-C ended the search. Training follows; the next Ctrl-C ends that.")
    clf.set_params(**found.best_params, verbose=int(talkative and sys.stderr.isatty()))
    lstm = fit_and_score(clf, data, save_to=target)
    scores = with_baselines(lstm, data)
    result = {
        **training_report(clf, target, data, scores),
        "best_params": found.best_params,
        "best_search_score": None if math.isnan(found.best_score) else found.best_score,
        "search_stopped_by": found.stopped_by,
        "trials": [vars(trial) for trial in found.trials],
    }
    if as_json:
        print_json(result)
    else:
        _print_search(found, metric)
        print_training_report(result, scores, clf)
    write_report(report, reviews, clf, data, scores)


def _rendered(trials, metric):
    from rich.table import Table

    table = Table("trial", metric, "documents", "seconds", "parameters")
    for trial in _best(trials):
        table.add_row(
            str(trial.number), f"{trial.score:.3f}", f"{trial.share:.0%}",
            f"{trial.seconds:.0f}", _named(trial.params),
        )  # fmt: skip
    return table


def _best(trials):
    """The trials to show: those that saw most documents, the best first."""
    return sorted(trials, key=lambda trial: (-trial.share, -trial.score))[:_SHOWN]


def _named(params: dict) -> str:
    if not params:
        return "the parameters it began with"
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
    )


def _print_search(found, metric):
    n = len(found.trials)
    ended = ", ended by Ctrl-C" if found.stopped_by == "interrupt" else ""
    if math.isnan(found.best_score):
        click.echo(
            f"No trial of the search{ended} came to its end: the model has the parameters it "
            "began with. Give it more --minutes."
        )
        return
    click.echo(
        f"{n} trial{'s' if n > 1 else ''}{ended}. Best {metric}, of one network on the documents "
        f"that chose it: {found.best_score:.3f}, with {_named(found.best_params)}."
    )
