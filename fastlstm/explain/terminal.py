"""Explanations on a terminal."""

from __future__ import annotations

import numpy as np

from fastlstm.core.coverage import document_note
from fastlstm.core.methods import METHOD_NAMES
from fastlstm.core.shown import plain
from fastlstm.report.page.numbers import fixed

# Backgrounds for and against, from faint to strong; the numbers are those of 256 colours.
_FOR = ("color(195)", "color(153)", "color(111)", "color(75)")
_AGAINST = ("color(230)", "color(223)", "color(216)", "color(208)")
_LEVELS = (0.1, 0.3, 0.5, 0.75)

# Words that are named as unknown.
_NAMED = 8

# Contributions that would be shown as 0 are not.
_SHOWN_FROM = 0.0005


def as_text(explanation, n: int = 10, target=None) -> str:
    """Prediction and strongest tokens, without colours."""
    column = explanation.column(target)
    lines = [heading(explanation, column)]
    if not explanation.tokens:
        lines.append("The text has no token: these are the shares of the classes in training.")
    strongest = explanation.top(n, explanation.targets[column])
    strongest = [(token, value) for token, value in strongest if abs(value) >= _SHOWN_FROM]
    lines += [f"  {fixed(value, '+8.3f')}  {plain(token)}" for token, value in strongest]
    others = len(explanation.tokens) - len(strongest)
    if others:
        total = explanation.contributions[:, column].sum() - sum(value for _, value in strongest)
        lines.append(f"  {fixed(total, '+8.3f')}  {others} other token{'s' if others > 1 else ''}")
    beside = explanation.columns_by_strength(explanation.targets[column])
    lines += [
        f"  {fixed(value, '+8.3f')}  column {plain(name)}"
        for name, value in beside[:n]
        if abs(value) >= _SHOWN_FROM
    ]
    if explanation.attention is not None and len(explanation.tokens):
        shares = explanation.attention
        order = np.argsort(-shares, kind="stable")[:_NAMED]
        attended = [i for i in order if shares[i] * np.count_nonzero(explanation.read) > 2]
        shown = ", ".join(f"{plain(explanation.tokens[i])} ({shares[i]:.1%})" for i in attended)
        lines.append(
            f"More than twice the attention of an average token: {shown}."
            if attended
            else "No token has more than twice the attention of an average one."
        )
    unknown = _unknown_tokens(explanation)
    if unknown:
        shown = ", ".join(plain(token) for token in unknown[:_NAMED])
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        lines.append(f"Not in the vocabulary: {shown}{more}.")
    low = document_note(explanation.known)
    if low is not None:
        lines.append(low)
    return "\n".join(lines)


def _unknown_tokens(explanation) -> list[str]:
    """Distinct tokens that are not in the vocabulary, in their order."""
    pairs = zip(explanation.tokens, explanation.known, strict=True)
    return list(dict.fromkeys(token for token, known in pairs if not known))


def heading(explanation, column: int) -> str:
    """The line above an explanation."""
    return (
        f"{plain(explanation.predicted)} ({explanation.probability:.1%}); logit of "
        f"{plain(explanation.targets[column])} {fixed(explanation.logits[column])}, baseline "
        f"{fixed(explanation.baseline[column])}, unexplained "
        f"{fixed(explanation.gap[column], '+.2f')}; "
        f"{METHOD_NAMES[explanation.method]}"
    )


def as_rich(explanation, target=None):
    """The text as a ``rich.text.Text``, tokens for the class on blue, against it on orange.

    Tokens that the model does not know are underlined.
    """
    from rich.text import Text

    values = explanation.contributions[:, explanation.column(target)]
    strongest = np.abs(values).max(initial=0.0) or 1.0
    levels = np.searchsorted(_LEVELS, np.abs(values) / strongest, side="right")
    out, done = Text(), 0
    for i in np.flatnonzero((levels > 0) | ~explanation.known).tolist():
        start, end = explanation.offsets[i].tolist()
        if start < done:
            continue
        out.append(plain(explanation.text[done:start]))
        style = [] if explanation.known[i] else ["underline"]
        if levels[i]:
            shade = (_FOR if values[i] > 0 else _AGAINST)[levels[i] - 1]
            style.append(f"black on {shade}")
        out.append(plain(explanation.text[start:end]), style=" ".join(style))
        done = end
    out.append(plain(explanation.text[done:]))
    return out
