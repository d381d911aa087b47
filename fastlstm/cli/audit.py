"""``fastlstm audit``: how much a model would tell of the documents that it is trained on."""

from __future__ import annotations

import sys

import click

from fastlstm.cli.errors import plain_errors
from fastlstm.cli.files import check_input
from fastlstm.cli.output import counted, listed, plain, print_json
from fastlstm.cli.reading import reading_options
from fastlstm.cli.settings import classifier_of, private_defaults
from fastlstm.cli.training_options import (
    DELTA,
    EPSILON,
    REVIEWS,
    SEED,
    SETTINGS,
    TrainingCommand,
)

# Of the tokens that one document alone has, so many are shown.
_SHOWN = 10


@click.command("audit", cls=TrainingCommand, short_help="Attack a model to see what it tells.")
@REVIEWS
@reading_options("text", "label")
@EPSILON
@DELTA
@click.option("--canaries", type=click.IntRange(min=1), metavar="N",
              help="Documents to plant; else a tenth of REVIEWS, and 1,000 at most.")  # fmt: skip
@SETTINGS
@SEED
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def audit_command(reviews, reading, epsilon, delta, canaries, pairs, seed, quiet, as_json):
    """Train on the labelled documents in REVIEWS as train would, with documents without sense
    among them, and find out which of these can be told from the model.

    What comes out is a lower bound: a better attack may find more. No model is written.
    """
    from fastlstm.privacy import audit
    from fastlstm.privacy.rare import tokens_of_one_document

    promised = private_defaults(epsilon, delta)
    check_input(reviews)
    progress = not (quiet or as_json) and sys.stderr.isatty()
    defaults = {"missing": "empty", "random_state": seed, "verbose": int(progress)}
    clf, _ = classifier_of(pairs, **{**defaults, **promised})
    table = reading.table(reviews)
    texts = [text or "" for text in table.texts]
    found = audit(clf, texts, table.labels, n_canaries=canaries, random_state=seed)
    encoder = found.estimator.encoder_
    rare = tokens_of_one_document(encoder.read(texts), encoder.vocabulary.tokens)
    result = {
        **found._replace(estimator=None, exposure=None)._asdict(),
        "exposure": found.exposure.tolist(),
        "n_tokens": len(encoder.vocabulary),
        "tokens_of_one_document": rare,
    }
    del result["estimator"]
    if as_json:
        print_json(result)
    else:
        _print(result)


def _print(result: dict) -> None:
    promised = result["promised"]
    said = "Nothing was promised." if promised is None else f"Promised: epsilon {promised:.3g}."
    click.echo(
        f"Epsilon is at least {result['epsilon']:.2f}, with a confidence of "
        f"{result['confidence']:.0%} and delta {result['delta']:.2g}. {said}"
    )
    click.echo(
        f"  Of {counted(result['n_canaries'], 'planted document')}, "
        f"{result['n_correct']} of {result['n_guesses']} guesses were right on which of them "
        "training saw."
    )
    if promised is not None and result["epsilon"] > promised:
        click.echo("  That refutes the promise: something is wrong, please report it.")
    click.echo(
        f"Documents that were trained on have more probable labels than others in "
        f"{result['membership']:.0%} of all pairs; 50% would tell nothing."
    )
    exposure = result["exposure"]
    click.echo(
        f"Exposure of {counted(len(exposure), 'planted secret')}: "
        f"{sum(exposure) / len(exposure):.1f} bits on average (1.4 by chance), "
        f"{max(exposure):.1f} at most, of {result['largest_exposure']:.1f}."
    )
    rare = result["tokens_of_one_document"]
    if rare:
        shown = listed([plain(token) for token in rare[:_SHOWN]])
        mend = " --set min_df=2 leaves them out." if promised is None else ""
        click.echo(
            f"The model file carries {len(rare):,} of {result['n_tokens']:,} tokens that one "
            f"document alone has, such as {shown}.{mend}"
        )
