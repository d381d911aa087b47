"""Explanations as HTML: the text with its tokens coloured, and the strongest in a table."""

from __future__ import annotations

import html

import numpy as np

from fastlstm.core.coverage import document_note
from fastlstm.core.methods import METHOD_NAMES
from fastlstm.core.shown import as_html, isolated, plain
from fastlstm.report.page import STYLE, page, table
from fastlstm.report.page.numbers import fixed

# Shares of the strongest contribution from which a token has the next deeper colour.
_LEVELS = (0.05, 0.2, 0.4, 0.6, 0.8)

# Tokens that the keyboard reaches one by one: of one text, and of all on a page.
_REACHED, _REACHED_ON_PAGE = 20, 100

# Lines of the table.
_LISTED = 8


def fragment(explanation, target=None) -> str:
    """One explanation with its style, for a notebook."""
    return in_notebook(article(explanation, target))


def in_notebook(body: str) -> str:
    """HTML with its style, but no page around it."""
    return f'<style>{STYLE}</style><div class="fl">{body}</div>'


def fragments(explanations, headings=None) -> str:
    """Several explanations with their style, for a notebook; ``headings`` are plain texts."""
    headings = headings or [f"Text {number}" for number in range(1, len(explanations) + 1)]
    return in_notebook(_articles(explanations, [as_html(heading) for heading in headings]))


def _articles(explanations, headings, target=None) -> str:
    """One below the other; ``headings`` are HTML."""
    n_reached = min(_REACHED, _REACHED_ON_PAGE // max(1, len(explanations)))
    pairs = zip(explanations, headings, strict=True)
    return "\n".join(article(each, target, f"<h2>{h}</h2>", n_reached) for each, h in pairs)


def explanation_page(explanations, title="Why the model said so", target=None) -> str:
    """A page that stands alone, with one explanation after the other."""
    headings = [f"Text {number}" for number in range(1, len(explanations) + 1)]
    return page(title, _articles(explanations, headings, target))


def article(explanation, target=None, heading: str = "", n_reached: int = _REACHED) -> str:
    """One explanation, without its style; ``heading`` is HTML above it."""
    column = explanation.column(target)
    label = explanation.targets[column]
    logit, baseline = explanation.logits[column], explanation.baseline[column]
    total = explanation.contributions[:, column].sum()
    gap = explanation.gap[column]
    name = METHOD_NAMES[explanation.method]
    columns = ""
    if explanation.columns:
        columns = f"{fixed(explanation.beside[:, column].sum(), '+.2f')} (columns) "
    return (
        f"<article>{heading}<p>Predicted: <strong>{isolated(explanation.predicted)}</strong>, "
        f"probability {explanation.probability:.1%}.<br>"
        f'<span class="faint">What speaks <span class="f4">for</span> and '
        f'<span class="a4">against</span> {isolated(label)}, by {name}. '
        f"Logit {fixed(logit)} = {fixed(baseline)} (baseline) {fixed(total, '+.2f')} (tokens) "
        f"{columns}{fixed(gap, '+.2f')} (unexplained).{_left_out(explanation)}</span></p>"
        f'<div class="text" dir="auto" tabindex="0" role="group" '
        f'aria-label="The text with its tokens">'
        f"{marked_text(explanation, column, n_reached)}</div>"
        f"{_columns(explanation, label)}{_strongest(explanation, column)}</article>"
    )


def _columns(explanation, label) -> str:
    """What stands beside the text, in a table."""
    if not explanation.columns:
        return ""
    lines = [
        (isolated(name), fixed(value, "+.3f"))
        for name, value in explanation.columns_by_strength(label)[:_LISTED]
    ]
    shown = table(("column", "logit"), lines, numbers=1)
    return f"<details open><summary>Beside the text</summary>{shown}</details>"


def _left_out(explanation) -> str:
    unread = int(np.sum(~explanation.read))
    low = document_note(explanation.known)
    notes = "" if low is None else f" <strong>{low}</strong>"
    notes += f" The networks did not read {unread:,} tokens of this long text." if unread else ""
    if explanation.attention is not None:
        notes += (
            ' <span class="attended">Words with a line above</span> have more than twice the '
            "attention of an average one."
        )
    if not explanation.known.all():
        notes += ' <span class="unknown">Words with dashes below</span> are not in the vocabulary.'
    return notes


def marked_text(explanation, column: int, n_reached: int) -> str:
    """The text; tokens that count have a colour and a title with their contribution."""
    values = explanation.contributions[:, column]
    strongest = np.abs(values).max(initial=0.0) or 1.0
    levels = np.searchsorted(_LEVELS, np.abs(values) / strongest, side="right")
    attended = _attended(explanation)
    reached = set(np.argsort(-np.abs(values), kind="stable")[:n_reached].tolist())
    text, pieces, done = explanation.text, [], 0
    for i in np.flatnonzero((levels > 0) | attended | ~explanation.known).tolist():
        start, end = explanation.offsets[i].tolist()
        if start < done:  # not found in the text, or within the token before
            continue
        shown = fixed(values[i], "+.3f")
        kind = f"{'f' if values[i] > 0 else 'a'}{levels[i]}"
        kind += "" if explanation.known[i] else " unknown"
        title = shown
        if attended[i]:
            kind += " attended"
            title += f", attention {explanation.attention[i]:.1%}"
        reach = ""
        if i in reached:
            named = html.escape(f"{plain(text[start:end])} {title}")
            reach = f' tabindex="0" role="note" aria-label="{named}" data-value="{shown}"'
        pieces.append(as_html(text[done:start]))
        pieces.append(
            f'<mark class="{kind}" title="{title}"{reach}>{as_html(text[start:end])}</mark>'
        )
        done = end
    pieces.append(as_html(text[done:]))
    return "".join(pieces) or '<span class="faint">(empty)</span>'


def _attended(explanation) -> np.ndarray:
    """Tokens with more than twice the share of attention that all would have alike."""
    shares = explanation.attention
    if shares is None:
        return np.zeros(len(explanation.tokens), dtype=bool)
    more: np.ndarray = shares * max(1, np.count_nonzero(explanation.read)) > 2
    return more


def _strongest(explanation, column) -> str:
    """The tokens that add most and those that take most, each word's places together."""
    sums: dict[str, list[float]] = {}
    values = explanation.contributions[:, column]
    for token, value in zip(explanation.tokens, values, strict=True):
        sums.setdefault(token, []).append(float(value))
    if not sums:
        return ""
    order = sorted(sums, key=lambda token: -sum(sums[token]))
    rows = [token for token in order if sum(sums[token]) > 0][:_LISTED]
    rows += [token for token in order if sum(sums[token]) < 0][-_LISTED:]
    lines = [(isolated(t), str(len(sums[t])), fixed(sum(sums[t]), "+.3f")) for t in rows]
    shown = table(("token", "places", "logit"), lines, numbers=2)
    return f"<details><summary>Strongest tokens</summary>{shown}</details>"
