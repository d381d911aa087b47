"""``fastlstm train``: a model from a file of labelled documents, scored beside baselines."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from fastlstm.cli.beside import chosen, frame_of
from fastlstm.cli.errors import note, plain_errors
from fastlstm.cli.files import check_free, check_input, check_target
from fastlstm.cli.fitting import Split, fit_and_score, with_baselines
from fastlstm.cli.info import best_epoch
from fastlstm.cli.lengths import hint, lengths_of, settings_for
from fastlstm.cli.output import counted, human_size, listed, plain, print_json, quoted
from fastlstm.cli.reading import Reading
from fastlstm.cli.scores import (
    SHOWN_NAMES,
    baseline_wins,
    in_display_order,
    known_labels,
    note_labels,
    print_comparison,
    too_close,
)
from fastlstm.cli.settings import classifier_of, private_defaults
from fastlstm.cli.training_options import DELTA, EPSILON, TrainingCommand, training_options

_HELD_OUT = 0.1

# Share of odd documents from which on it is told.
_ODD_SHARE = 0.01


@click.command(
    "train", cls=TrainingCommand, short_help="Train a model and score it beside baselines."
)
@training_options
@click.option("--unlabelled", type=click.Path(),
              help="File of further documents without labels, to learn from too.")  # fmt: skip
@click.option("--side", multiple=True, metavar="NAME",
              help="A column beside the text that the model reads, too; may be repeated. "
                   "auto takes all but the label.")  # fmt: skip
@EPSILON
@DELTA
@plain_errors
def train_command(
    reviews, reading, out, valid, report, unlabelled, side, epsilon, delta, pairs, seed, force,
    quiet, as_json,
):  # fmt: skip
    """Train a model on the labelled documents in REVIEWS (csv, tsv, json, jsonl, parquet or
    fastText's txt, also .gz).

    A tenth of the documents is held out, or --valid is read, and the model is scored
    on these beside two baselines: the majority class, and TF-IDF with logistic
    regression. Training does not see these documents. Only with --set early_stopping=true
    those of --valid choose the epoch, too. Ctrl-C ends training and keeps the model
    trained so far.

    With --unlabelled the model that the labels gave says how likely each class is for
    further documents, and a new one learns from both. Those that are among the documents
    to score on are left out.

    With --side auto, or --side and the name of a column, the model also reads these columns:
    numbers, dates, categories.

    With --epsilon the model tells next to nothing of any single document: gradients are
    clipped and get noise, and words that few documents have are not known to it. The noise,
    and which documents are held out, do not come from --seed, and are others each time.
    """
    if epsilon is not None and (side or unlabelled is not None):
        raise click.UsageError("--epsilon goes with neither --side nor --unlabelled.")
    if side and unlabelled is not None:
        raise click.UsageError("--side and --unlabelled do not go together.")
    promised = private_defaults(epsilon, delta)
    target = targets(reviews, out, report, [reviews, valid, unlabelled])
    talkative = not (quiet or as_json)
    progress = talkative and sys.stderr.isatty()
    defaults = {"missing": "empty", "random_state": seed, "verbose": int(progress)}
    clf, _ = classifier_of(pairs, **{**defaults, **promised})
    # A split by a seed would depend, for each document, on all others.
    by = seed if epsilon is None else None
    data = read_split(reviews, valid, reading, clf, by, unlabelled, side)
    check_targets_free(target, report, force)
    if talkative:
        click.echo("\n".join(data.about))
    lstm = fit_and_score(clf, data, save_to=target)
    scores = with_baselines(lstm, data)
    result = training_report(clf, target, data, scores)
    if as_json:
        print_json(result)
    else:
        print_training_report(result, scores, clf)
    write_report(report, reviews, clf, data, scores)


def write_report(path, reviews, clf, data, scores) -> None:
    """The page of --report, if it was asked for; last, when all else has been said."""
    if path is None:
        return
    from fastlstm.data.files import replaced
    from fastlstm.report.training import Run, training_report

    run = Run(
        clf, data.texts, data.labels, data.valid_texts, data.valid_labels, data.how,
        {SHOWN_NAMES[key]: score for key, score in scores.items()},
        None if data.tables is None else data.tables[1],
    )  # fmt: skip
    page = training_report(run, f"Training on {Path(reviews).name}")
    with replaced(Path(path)) as stream:
        stream.write(page.encode("utf-8"))
    note(f"Wrote the report to {path}.")


def targets(reviews, out, report, sources) -> str:
    """The model file to write, once it and the report can be written, and the input is there."""
    name = Path(reviews).name
    stem = Path(name[:-3] if name.lower().endswith(".gz") else name).stem
    target = out if out is not None else f"{stem}.fastlstm"
    check_target(target, sources, suffix=".fastlstm")
    if report is not None:
        check_target(report, [*sources, target], option="--report", suffix=".html")
    for source in sources:
        if source is not None:
            check_input(source)
    return target


def check_targets_free(target, report, force) -> None:
    """Refuse to replace the model or the report unasked."""
    check_free(target, force)
    if report is not None:
        check_free(report, force, "--report")


def read_split(
    reviews, valid, reading: Reading, clf, seed, unlabelled=None, side: Sequence[str] = ()
) -> Split:
    """The documents to train on and to score on, and what is to be said of them.

    ``clf`` is told which column holds the text, if columns of ``side`` stand beside it. Without
    a ``seed`` each document is held out by a draw of its own, from the system's entropy.
    """
    started = time.perf_counter()
    table = reading.table(reviews)
    note_labels(table.labels)
    _check_texts(reviews, table, clf.missing)
    _note_texts(table.texts, clf)
    counts = _check_classes(reviews, table)
    labels = table.labels
    assert labels is not None, "labels were asked for"
    about = _description(reviews, table, counts, time.perf_counter() - started)
    beside = chosen(table, side, reviews) if side else []
    if beside:
        clf.set_params(text_column=table.text_column, side="auto")
    if valid is None:
        data = _split(reviews, table, labels, seed, beside)
    else:
        other = reading.like(table, reviews, valid).table(valid)
        _check_texts(valid, other, clf.missing)
        data = Split(
            table.texts, labels, other.texts, known_labels(valid, other, sorted(counts)),
            f"of {valid}", chooses_epoch=True,
        )  # fmt: skip
        if beside:
            trained = frame_of(table, beside, reviews)
            frame = frame_of(other, beside, valid, table.text_column, trained.as_strings)
            data = data._replace(tables=(trained, frame))
    if beside:
        about.append(f"Columns beside the text: {plain(listed(beside))}.")
    _note_single(counts, valid)
    about += _description_of_split(data)
    if unlabelled is not None:
        others = _read_unlabelled(unlabelled, reading, clf.missing, table.text_column)
        data = _with_others(data, unlabelled, others)
        about.append(f"Documents without labels from {plain(unlabelled)}: {len(others):,}.")
    return data._replace(about=about)


def _with_others(data: Split, path, texts: list) -> Split:
    """The same with further documents, but for those to score on, which nothing may see."""
    scored = {_spaced(text) for text in data.valid_texts if text and not text.isspace()}
    kept = [text for text in texts if _spaced(text) not in scored]
    dropped = len(texts) - len(kept)
    if not kept:
        all_are = "its one document is" if dropped == 1 else f"all its {dropped:,} documents are"
        raise ValueError(
            f"{path}: {all_are} among those to score on, which training must not see, so none is "
            "left to learn from; pass others to --unlabelled"
        )
    if dropped:
        are = "document is" if dropped == 1 else "documents are"
        note(
            f"{path}: {dropped:,} {are} left out, being among the documents to score on; "
            f"{len(kept):,} stay."
        )
    return data._replace(unlabelled=kept, n_left_out=dropped)


def _spaced(text) -> str:
    """A text with one space between words, so that line ends make no difference."""
    return " ".join((text or "").split())


def _split(reviews, table, labels, seed, beside) -> Split:
    import numpy as np

    from fastlstm.classifier.held_out import hold_out

    if seed is None:
        drawn = np.random.default_rng().random(len(labels)) < _HELD_OUT
        train = np.flatnonzero(~drawn)
        known = {labels[i] for i in train}
        held_out = np.array([i for i in np.flatnonzero(drawn) if labels[i] in known], dtype=int)
    else:
        train, held_out = hold_out(labels, _HELD_OUT, seed)
    if not len(held_out):
        raise ValueError(
            f"{reviews}: each class has one document, so none can be held out; add documents, "
            "or pass --valid FILE"
        )
    by = "by chance" if seed is None else f"with seed {seed}"
    how, texts, tables = f"held out of {reviews} {by}", table.texts, None
    if beside:
        frame = frame_of(table, beside, reviews)
        tables = frame.take(train), frame.take(held_out)
    return Split(
        [texts[i] for i in train], [labels[i] for i in train],
        [texts[i] for i in held_out], [labels[i] for i in held_out], how,
        chooses_epoch=False, tables=tables,
    )  # fmt: skip


def _note_single(counts, valid) -> None:
    """Say which classes have too few documents to be on both sides of the split."""
    single = in_display_order(label for label, n in counts.items() if n == 1)
    if single:
        n = "1 class has" if len(single) == 1 else f"{len(single):,} classes have"
        note(
            f"Warning: {n} one document: {listed(map(repr, single))}. Too few to learn a class "
            f"from{', and none is left to score it on' if valid is None else ''}."
        )


def _note_texts(texts, clf) -> None:
    """Say on standard error what is odd about the texts, and which option suits them."""
    from fastlstm.text.clean import check_steps
    from fastlstm.text.mend import half_decoded_share
    from fastlstm.text.zh_script import chinese_scripts

    texts = [text for text in texts if text]
    odd = half_decoded_share(texts)
    if odd.mended >= _ODD_SHARE and "decode" not in check_steps(clf.normalize):
        note(
            f"Hint: {odd.mended:.1%} of the documents hold half-decoded text, such as \\u2019 "
            "written out. --set normalize=all mends it."
        )
    if odd.doubtful >= _ODD_SHARE:
        note(
            f"Hint: {odd.doubtful:.1%} of the documents hold text that seems half-decoded or "
            "lost, such as \\n written out or the mark for a lost character. It is left as it "
            "is; look at how the file was made."
        )
    scripts = chinese_scripts(texts)
    if scripts.mixed and clf.zh_script is None:
        note(
            f"Hint: {scripts.simplified:.0%} of the documents are Simplified Chinese and "
            f"{scripts.traditional:.0%} Traditional. --set zh_script=simplified reads both alike "
            "(pip install 'fastlstm[zh]')."
        )


def _read_unlabelled(path, reading, missing, usual) -> list:
    reading = reading._replace(label_column=None)
    table = reading.table(path, need_labels=False, usual_text=usual)
    _check_texts(path, table, missing)
    return table.texts


def _check_texts(path, table, missing):
    if missing == "error" and None in table.texts:
        row = table.rows[table.texts.index(None)]
        raise ValueError(
            f"{path}: the document on {table.unit} {row} is missing; drop it, or --set "
            "missing=empty"
        )


def _check_classes(path, table) -> Counter:
    counts = Counter(table.labels)
    column = f"column {table.label_column!r}"
    if len(counts) < 2:
        raise ValueError(
            f"{path}: {column} has one class, {table.labels[0]!r}; a classifier needs at least 2"
        )
    if 2 * len(counts) > len(table.labels) and len(counts) > 2:
        raise ValueError(
            f"{path}: {column} has {len(counts)} different labels in {len(table.labels)} "
            "documents; if it does not hold the labels, name their column with --label-column"
        )
    return counts


def _description(path, table, counts, seconds) -> list[str]:
    lengths = [len(text or "") for text in table.texts]
    classes = [f"{label} ({counts[label]:,})" for label in in_display_order(sorted(counts))]
    return [
        f"Read {len(lengths):,} documents from {plain(path)} in {seconds:.1f} s "
        f"(text: {table.text_column!r}, label: {table.label_column!r}).",
        f"{len(counts)} classes: {listed(classes)}.",
        f"Characters in a document: median {statistics.median(lengths):,.0f}, "
        f"longest {max(lengths):,}; {lengths.count(0):,} empty.",
    ]


def _description_of_split(data) -> list[str]:
    about = [
        f"Training on {counted(len(data.labels), 'document')}, scoring on "
        f"{len(data.valid_labels):,} {plain(data.how)}."
    ]
    seen = set(data.texts)
    repeated = sum(bool(text) and text in seen for text in data.valid_texts)
    if repeated:
        about.append(
            f"Documents to score on that are also among the training documents: {repeated:,}. "
            "They flatter all scores."
        )
    return about


def training_report(clf, target, data, scores) -> dict:
    """What ``train --json`` prints."""
    lengths = lengths_of(clf, data.texts)
    speeds = [record[name] for record in clf.history_ if (name := "tokens_per_second") in record]
    privacy = clf.privacy_
    best = best_epoch(clf.history_, clf.get_params(deep=False))
    return {
        "model": os.fspath(target),
        "model_bytes": os.path.getsize(target),
        "n_train": len(data.labels),
        "n_valid": len(data.valid_labels),
        "n_unlabelled": len(data.unlabelled or []),
        "n_unlabelled_left_out": data.n_left_out,
        "classes": clf.classes_.tolist(),
        "scores": {name: score._asdict() for name, score in scores.items()},
        "classes_without_documents": in_display_order(
            set(clf.classes_.tolist()) - set(data.valid_labels)
        ),
        "baseline_wins": baseline_wins(scores),
        "too_close": too_close(scores, len(data.valid_labels)),
        "epochs": clf.n_iter_,
        "best_epoch": None if best is None else best["epoch"],
        "epoch_chosen_on_valid": data.chooses_epoch and bool(clf.early_stopping),
        "stopped_by": clf.stopped_by_,
        # The first epoch may include compilation.
        "tokens_per_second": statistics.median(speeds) if speeds else None,
        "truncated_share": clf.truncated_share_,
        "privacy": None if privacy is None else privacy.state(),
        "recommended": settings_for(lengths, clf),
        "hint": hint(lengths, clf),
    }


def print_training_report(report, scores, clf) -> None:
    """The same for people."""
    print_comparison(scores, report["n_valid"], report["classes_without_documents"])
    if report["too_close"]:
        click.echo("Hint: scores on more documents would tell: --valid FILE.")
    elif report["baseline_wins"] and report["stopped_by"] != "interrupt":
        click.echo(
            "Hint: fastlstm needs many documents, so more labelled ones help most. Else stay "
            "with the baseline."
        )
    if report["epoch_chosen_on_valid"]:
        click.echo(
            "When fastlstm's training should end was chosen on the same documents, so its "
            "score is slightly optimistic."
        )
    if report["stopped_by"] == "non_finite_loss":
        click.echo("Training broke off at a loss that was not finite.")
    speed = report["tokens_per_second"]
    share, most = report["truncated_share"], clf.encoder_.options.max_length
    tells = None not in (share, most)
    click.echo(
        f"Epochs: {report['epochs']}"
        + (f", {speed:,.0f} tokens/s" if speed else "")
        + (f", {share:.1%} of the training documents cut to max_length={most}" if tells else "")
        + "."
    )
    if clf.privacy_ is not None:
        click.echo(f"Promised: {clf.privacy_}.")
        click.echo("Scores are facts about documents, without noise: publish them with care.")
    if report["hint"] is not None:
        click.echo(report["hint"])
    name = quoted(report["model"])
    click.echo(f"Model: {plain(report['model'])} ({human_size(report['model_bytes'])})")
    click.echo("Next:")
    if os.path.isfile("test.csv"):
        click.echo(f"  fastlstm evaluate {name} test.csv")
    else:
        click.echo(f"  fastlstm evaluate {name} FILE    (labelled documents that it has not seen)")
    click.echo(f'  fastlstm predict {name} "some text"')
