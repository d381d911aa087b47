"""``fastlstm demo``: the bundled reviews, from training to prediction."""

from __future__ import annotations

import click

from fastlstm.cli.errors import plain_errors
from fastlstm.cli.files import check_free, check_target
from fastlstm.cli.output import plain, print_json, print_table, quoted

# Not in the data.
SENTENCES = (
    "I love it, worth every cent and then some.",
    "It broke after two days and nobody answered my emails.",
    "It is fine, nothing special, does what the box says.",
    "味道太好了，下次还会再来！",
    "质量很差，用了一天就坏了，非常失望。",
    "一般般，没有什么特别的。",
)


@click.command("demo", short_help="Train and score on the bundled reviews.")
@click.option("--out", type=click.Path(), help="Also write the model to this file.")
@click.option("--force", is_flag=True, help="Replace the file of --out if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@plain_errors
def demo_command(out, force, as_json):
    """Train on the bundled English and Chinese reviews and score on their test split.

    Works offline and takes some seconds; the first run also compiles the kernels.
    """
    from fastlstm import LSTMSentimentClassifier
    from fastlstm.cli.fitting import fit_and_score, with_baselines
    from fastlstm.cli.scores import evaluation, print_comparison, print_evaluation

    if out is not None:
        check_target(out, suffix=".fastlstm")
        check_free(out, force)
    data = _reviews()
    n_train, n_test = len(data.labels), len(data.valid_labels)
    if not as_json:
        click.echo(f"{n_train} bundled reviews to train on, {n_test} to score on; en and zh.")
    clf = LSTMSentimentClassifier(random_state=0)
    lstm = fit_and_score(clf, data, save_to=out)
    probabilities = clf.predict_proba(data.valid_texts)
    result = evaluation(clf.classes_.tolist(), data.valid_labels, probabilities)
    if as_json:
        print_json({**result, "n_train": n_train})
        return
    print_comparison(with_baselines(lstm, data), n_test)
    click.echo("So few reviews show how the command works, not how well it does.\n\nfastlstm:")
    print_evaluation(result)
    _print_sentences(clf)
    _print_next(out)


def _reviews():
    from fastlstm.cli.fitting import Split
    from fastlstm.datasets import load_reviews

    train, test = load_reviews(split="train"), load_reviews(split="test")
    return Split(train.texts, train.labels, test.texts, test.labels, "of the test split", False)


def _print_sentences(clf):
    rows = [
        [text, clf.classes_[row.argmax()], f"{row.max():.2f}"]
        for text, row in zip(SENTENCES, clf.predict_proba(list(SENTENCES)), strict=True)
    ]
    print_table(["new sentence", "label", "probability"], rows, n_text=2)


def _print_next(out):
    if out is not None:
        click.echo(f"Model: {plain(out)}")
    click.echo("Next:")
    if out is not None:
        click.echo(f'  fastlstm predict {quoted(out)} "some text"')
    else:
        click.echo("  fastlstm train reviews.csv    (a file of yours, with texts and labels)")
