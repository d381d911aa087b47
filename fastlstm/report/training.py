"""A page about a training run: data, curves, scores, errors.

Everything is computed from what the caller has anyway: the fitted classifier, both parts
of the data and the baselines' scores.
"""

from __future__ import annotations

import platform
from collections import Counter
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

import fastlstm
from fastlstm.core.shown import brief, display_order, isolated
from fastlstm.evaluation import (
    Totals,
    bootstrap,
    class_numbers,
    confusion,
    expected_calibration_error,
    percentile_interval,
    reliability,
    wilson_interval,
)
from fastlstm.explain.dataset import confident_errors, moving_words
from fastlstm.explain.html import article
from fastlstm.privacy.rare import tokens_of_one_document
from fastlstm.report.page import page, table
from fastlstm.report.page.charts import Line, bar_chart, line_chart
from fastlstm.report.page.numbers import fixed

# Errors that are shown with their reasons, and documents whose words are counted.
N_ERRORS = 8
N_EXPLAINED = 200

_LENGTH_BINS = 6

# Of the tokens that a single document has, those with digits first.
_RARE_SHOWN = 40

# Classes that tables show, and for which words are looked for.
_MOST_CLASSES = 20


class Run(NamedTuple):
    """What a report is about.

    Attributes
    ----------
    clf : LSTMSentimentClassifier
        Fitted on ``texts`` and ``labels``.
    texts, labels : list
    valid_texts, valid_labels : list
        Documents that it was not fitted on, one at least.
    how : str
        Where the latter are from.
    scores : dict of str to Score
        Name in the table -> what was measured on the latter; the LSTM's last.
    X_valid : table with a method ``take``, or None
        The documents that it was not fitted on with columns beside them, where it reads such.
    """

    clf: Any
    texts: list
    labels: list
    valid_texts: list
    valid_labels: list
    how: str
    scores: dict
    X_valid: Any = None

    def of_rows(self, rows) -> Any:
        """Those of the documents that it was not fitted on, as the model reads them."""
        if self.X_valid is not None:
            return self.X_valid.take(rows)
        return [self.valid_texts[row] or "" for row in rows]


def training_report(run: Run, title: str = "Training report") -> str:
    """The page, as HTML that stands alone."""
    clf = run.clf
    chances = clf.predict_proba(run.valid_texts if run.X_valid is None else run.X_valid)
    true = class_numbers(run.valid_labels, clf.classes_.tolist())
    order = display_order(clf.classes_.tolist())
    classes = clf.classes_[order]
    counts = confusion(true, chances.argmax(axis=1), len(classes))[np.ix_(order, order)]
    resampled = bootstrap(counts)
    sections = [
        _section("Scores", _scores(run, resampled)),
        _section("Data", _data(run)),
        _section("Learning curves", learning_curves(clf.history_)),
        _section("Classes", _classes(classes, Totals.of(counts), resampled)),
        _section("Confusion", confusion_table(classes, counts)),
        _section("Calibration", _calibration(chances, true)),
        _section("Accuracy by length", _by_length(run, chances.argmax(axis=1) == true)),
        _section("Words that moved a class most", _words(run)),
        _section("Most confident errors", _errors(run)),
        _section("Privacy", _privacy(run)),
        _section("How it was trained", _parameters(clf)),
    ]
    return page(title, "\n".join(sections))


def _section(title, body) -> str:
    return f"<section><h2>{title}</h2>\n{body}\n</section>" if body else ""


def _interval(resampled) -> str:
    low, high = percentile_interval(resampled)
    return f"{low:.3f} to {high:.3f}"


def _scores(run, resampled: Totals) -> str:
    rows = [
        (isolated(name), f"{s.accuracy:.3f}", f"{s.macro_f1:.3f}", f"{s.n_classes:,}",
         f"{s.seconds:.1f}")
        for name, s in run.scores.items()
    ]  # fmt: skip
    n = f"{len(run.valid_labels):,}"
    few = " So few documents say little, and intervals of all-right answers are too narrow."
    return (
        f"<p>On {n} documents {isolated(run.how)}.{few if len(run.valid_labels) < 100 else ''}</p>"
        + table(("", "accuracy", "macro-F1", "of classes", "seconds"), rows, numbers=4)
        + f'<p class="faint">95 % bootstrap interval of the last line: accuracy '
        f"{_interval(resampled.accuracy())}, macro-F1 {_interval(resampled.macro_f1())}.</p>"
    )


def _data(run) -> str:
    train, valid = Counter(run.labels), Counter(run.valid_labels)
    rows = [
        (isolated(label), f"{n:,}", f"{n / len(run.labels):.1%}", f"{valid[label]:,}")
        for label, n in train.most_common(_MOST_CLASSES)
    ]
    lengths = _lengths(run.clf, run.texts)
    points = np.percentile(lengths, [0, 25, 50, 75, 100]).astype(int)
    seen = {text for text in run.texts if text}
    shared = sum(text in seen for text in run.valid_texts if text)
    cut, most = run.clf.truncated_share_, run.clf.encoder_.options.max_length
    return (
        table(("class", "training", "share", "scored on"), rows, numbers=3)
        + _others(len(train))
        + "<p>Tokens of a training document: "
        + ", ".join(f"{name} {n:,}" for name, n in zip(
            ("shortest", "quarter", "median", "three quarters", "longest"), points, strict=True))
        + (f". Longer than max_length={most} and cut for the networks: {cut or 0:.1%}. "
           if run.clf.privacy_ is None else ". ")
        + f"Empty: {int(np.sum(lengths == 0)):,}.</p>"
        f"<p>Documents to score on that also stand among the training documents: {shared:,}"
        + (". They flatter all scores.</p>" if shared else ".</p>")
    )  # fmt: skip


def _others(n_classes: int) -> str:
    """That a table does not show all classes, if it does not."""
    left = n_classes - _MOST_CLASSES
    return f"<p>And {left:,} more classes.</p>" if left > 0 else ""


def _lengths(clf, texts) -> np.ndarray:
    return clf.model_.encoder.read([text or "" for text in texts]).lengths


def learning_curves(history) -> str:
    """Loss and accuracy by epoch, the mean of the networks; "" where losses are not told."""
    if not any("loss" in record for record in history):
        return ""
    charts = []
    for name, keys in (
        ("loss", {"training": "loss", "held out": "val_loss"}),
        ("accuracy", {"training": "accuracy", "held out": "val_accuracy"}),
    ):
        lines = []
        for title, key in keys.items():
            by_epoch: dict[int, list[float]] = {}
            for record in history:
                if key in record:
                    by_epoch.setdefault(record["epoch"], []).append(record[key])
            epochs = np.array(sorted(by_epoch), dtype=np.int64)
            means = np.array([np.mean(by_epoch[epoch]) for epoch in epochs.tolist()])
            lines.append(Line(title, epochs, means))
        charts.append(line_chart(lines, "epoch", name))
    return " ".join(charts)


def _classes(classes, totals: Totals, resampled: Totals) -> str:
    scores, of_resampled = totals.scores(), resampled.scores()
    rows, labels = [], classes.tolist()
    for i, label in enumerate(labels):
        low, high = percentile_interval(of_resampled[:, i])
        cells = [
            f"{s:.3f} <span class='faint'>({a:.3f} to {b:.3f})</span>"
            for s, a, b in zip(scores[i], low, high, strict=True)
        ]
        rows.append((isolated(label), *cells, f"{totals.true[i]:,.0f}"))
    shown = table(("class", "precision", "recall", "F1", "documents"), rows, numbers=4,
                  caption="with 95 % bootstrap intervals")  # fmt: skip
    return shown + _without_documents(
        [label for label, n in zip(labels, totals.true, strict=True) if not n]
    )


def _without_documents(labels) -> str:
    """Which classes are not scored at all, if there are any."""
    if not labels:
        return ""
    n = "1 class has" if len(labels) == 1 else f"{len(labels):,} classes have"
    named = ", ".join(map(isolated, labels[:_MOST_CLASSES]))
    more = f" and {len(labels) - _MOST_CLASSES:,} more" if len(labels) > _MOST_CLASSES else ""
    return (
        f"<p>{n} no document here: {named}{more}. Macro-F1 is the mean over classes that occur "
        "or are predicted.</p>"
    )


def confusion_table(classes, counts) -> str:
    """Rows are true classes, columns predictions; the deeper the colour, the larger the share."""
    if len(classes) > _MOST_CLASSES:
        return f"<p>{len(classes)} classes are too many for a table.</p>"
    labels = classes.tolist()
    rows = []
    for i, label in enumerate(labels):
        share = counts[i] / max(1, counts[i].sum())
        cells = [
            f'<span class="{"f" if i == j else "a"}{min(5, int(share[j] * 6))}">{n:,}</span>'
            for j, n in enumerate(counts[i])
        ]
        rows.append((isolated(label), *cells))
    header = ("true \\ predicted", *map(isolated, labels))
    return table(header, rows, numbers=len(labels))


def _calibration(chances, true) -> str:
    best = chances.max(axis=1)
    right = chances.argmax(axis=1) == true
    said, happened, n = reliability(best, right)
    error = expected_calibration_error(best, right)
    there = n > 0
    chart = line_chart(
        [Line("model", said[there], happened[there])], "probability that the model gave",
        "share that was right", diagonal=True,
    )  # fmt: skip
    return f"{chart}<p>Expected calibration error {error:.3f}.</p>"


def _by_length(run, right) -> str:
    lengths = _lengths(run.clf, run.valid_texts)
    edges = np.unique(np.percentile(lengths, np.linspace(0, 100, _LENGTH_BINS + 1)).astype(int))
    if len(edges) < 2:
        return f"<p>All documents have {edges[0]} tokens.</p>"
    number = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, len(edges) - 2)
    names, shares, intervals = [], [], []
    for i in range(len(edges) - 1):
        of_bin = right[number == i]
        names.append(f"{edges[i]}–{edges[i + 1]}")
        shares.append(of_bin.mean() if len(of_bin) else np.nan)
        intervals.append(wilson_interval(of_bin.sum(), len(of_bin)))
    return bar_chart(names, shares, "tokens", "accuracy", top=1.0, intervals=np.array(intervals))


def _words(run) -> str:
    clf = run.clf
    rows_read = [row for row, text in enumerate(run.valid_texts) if text][:N_EXPLAINED]
    if not rows_read:
        return ""
    documents = run.of_rows(rows_read)
    pieces = [
        f'<p class="faint">Sums over {len(rows_read):,} documents, by integrated gradients.</p>'
    ]
    classes = clf.classes_.tolist()
    shown = classes[1:] if len(classes) == 2 else [classes[i] for i in display_order(classes)]
    for label in shown[:_MOST_CLASSES]:
        words = moving_words(clf.explain(documents, target=label), label, n=10)
        rows = [
            (isolated(w.token), fixed(w.total, "+.2f"), fixed(w.mean, "+.3f"), f"{w.documents:,}")
            for w in words
        ]
        pieces.append(table(("token", "sum of logits", "mean", "documents"), rows, numbers=3,
                            caption=f"for and against {isolated(label)}"))  # fmt: skip
    return "".join(pieces) + _others(len(clf.classes_))


def _errors(run) -> str:
    documents = run.of_rows(range(len(run.valid_texts)))
    found = confident_errors(run.clf, documents, run.valid_labels, N_ERRORS)
    if not found:
        return "<p>None: every prediction was right.</p>"
    return "".join(
        f"<h3>Number {error.row + 1}: is {isolated(error.label)}</h3>{article(error.explanation)}"
        for error in found
    )


def _privacy(run) -> str:
    """What is promised, and which tokens the model has from a single document."""
    encoder = run.clf.encoder_
    texts = [text or "" for text in run.texts]
    rare = tokens_of_one_document(encoder.read(texts), encoder.vocabulary.tokens)
    record = run.clf.privacy_
    said = "Nothing is promised." if record is None else f"Promised: {isolated(str(record))}."
    share = f"{len(rare):,} of {len(encoder.vocabulary):,} tokens in the model file"
    if not rare:
        return f"<p>{said} None of its tokens is that of a single document.</p>"
    shown = ", ".join(map(isolated, rare[:_RARE_SHOWN]))
    return (
        f"<p>{said} {share} stand in one training document alone, such as {shown}. Whoever has "
        "the file can read them. <code>min_df=2</code> leaves them out, the step "
        "<code>redact</code> of <code>normalize</code> makes numbers and e-mail addresses alike, "
        "and <code>privacy</code> bounds what the weights tell, too.</p>"
    )


def _parameters(clf) -> str:
    seconds = sum(record.get("seconds", 0.0) for record in clf.history_)
    rows = [(name, isolated(brief(value))) for name, value in clf.get_params().items()]
    libraries = {"fastlstm": fastlstm.__version__, "Python": platform.python_version()}
    libraries |= {name: version(name) for name in ("numpy", "scikit-learn")}
    about = ", ".join(f"{name} {number}" for name, number in libraries.items())
    return (
        f"<p>{clf.n_iter_} epochs in {seconds:.1f} s of training, backend {clf.backend_}, "
        f"ended by {clf.stopped_by_}. {about}; {isolated(platform.platform())}.</p>"
        f"<details><summary>Parameters</summary>{table(('parameter', 'value'), rows)}</details>"
    )
