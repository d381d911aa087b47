"""Small charts as SVG for pages: lines, bars and a confusion matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.shown import as_html

WIDTH, HEIGHT = 420, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 12, 40

# Colours of the page, and dashes that tell lines apart without them.
_STROKES = (
    "stroke='rgb(var(--for))'",
    "stroke='rgb(var(--against))' stroke-dasharray='6 3'",
    "stroke='currentColor' stroke-dasharray='2 3'",
)


class Line(NamedTuple):
    """A named line; x rises. Points that are not finite are left out."""

    name: str
    x: np.ndarray
    y: np.ndarray


def line_chart(lines: list[Line], x_label: str, y_label: str, diagonal: bool = False) -> str:
    """Lines in one frame; with ``diagonal`` also the line y = x over [0, 1]."""
    lines = [_finite(line) for line in lines]
    lines = [line for line in lines if len(line.x)]
    if not lines:
        return ""
    x_range = (0.0, 1.0) if diagonal else _range([line.x for line in lines])
    y_range = (0.0, 1.0) if diagonal else _range([line.y for line in lines])
    shapes = []
    falling = lines[0].y[-1] < lines[0].y[0]  # then names have room above, else below
    if diagonal:
        at = _polyline(np.array([0.0, 1.0]), np.array([0.0, 1.0]), x_range, y_range)
        shapes.append(f"<polyline points='{at}' fill='none' stroke='var(--line)'/>")
    for number, line in enumerate(lines):
        stroke = _STROKES[number % len(_STROKES)]
        at = _polyline(line.x, line.y, x_range, y_range)
        shapes.append(f"<polyline points='{at}' fill='none' stroke-width='2' {stroke}/>")
        for point in at.split():
            cx, cy = point.split(",")
            shapes.append(f"<circle cx='{cx}' cy='{cy}' r='2.5' fill='none' {stroke}/>")
        y = _TOP + 12 + 15 * number + (0 if falling else HEIGHT - _TOP - _BOTTOM - 50)
        shapes.append(f"<line x1='{WIDTH - 120}' x2='{WIDTH - 95}' y1='{y - 4}' y2='{y - 4}' "
                      f"stroke-width='2' {stroke}/>")  # fmt: skip
        shapes.append(_text(WIDTH - 90, y, line.name))
    return _frame(shapes, x_label, y_label, _ticks(x_range), _ticks(y_range), x_range, y_range)


def bar_chart(names: list[str], values, x_label: str, y_label: str, top: float | None = None,
              intervals=None) -> str:  # fmt: skip
    """A bar for each name; ``intervals``, shape (n, 2), are drawn as lines over the bars."""
    values = np.asarray(values, dtype=float)
    highest = np.nanmax(np.append(values, 0.0)) if top is None else top
    y_range = (0.0, highest or 1.0)
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(names))
    shapes = []
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        x = _LEFT + step * i
        if np.isfinite(value):
            y = _at(value, y_range, HEIGHT - _BOTTOM, _TOP)
            shapes.append(
                f"<rect x='{x + step * 0.1:.1f}' y='{y:.1f}' width='{step * 0.8:.1f}' "
                f"height='{HEIGHT - _BOTTOM - y:.1f}' fill='rgba(var(--for), .45)'/>"
            )
        if intervals is not None and np.isfinite(intervals[i]).all():
            low, high = (_at(v, y_range, HEIGHT - _BOTTOM, _TOP) for v in intervals[i])
            middle = x + step / 2
            shapes.append(f"<line x1='{middle:.1f}' x2='{middle:.1f}' y1='{low:.1f}' "
                          f"y2='{high:.1f}' stroke='currentColor'/>")  # fmt: skip
        shapes.append(_text(x + step / 2, HEIGHT - _BOTTOM + 14, name, "middle"))
    return _frame(shapes, x_label, y_label, [], _ticks(y_range), (0, 1), y_range)


def _finite(line: Line) -> Line:
    x, y = np.asarray(line.x, dtype=float), np.asarray(line.y, dtype=float)
    there = np.isfinite(x) & np.isfinite(y)
    return Line(line.name, x[there], y[there])


def _range(values) -> tuple[float, float]:
    low, high = min(map(np.min, values)), max(map(np.max, values))
    space = 0.05 * (high - low) or 0.5
    return float(low - space), float(high + space)


def _at(value, of_range, first, last):
    low, high = of_range
    return first + (value - low) / (high - low) * (last - first)


def _polyline(x, y, x_range, y_range) -> str:
    across = _at(x, x_range, _LEFT, WIDTH - _RIGHT)
    down = _at(y, y_range, HEIGHT - _BOTTOM, _TOP)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))


def _ticks(of_range) -> list[float]:
    low, high = of_range
    step = 10.0 ** np.floor(np.log10((high - low) / 2))
    for factor in (1, 2, 5):
        if (high - low) / (step * factor) <= 5:
            step *= factor
            break
    first = np.ceil(low / step - 1e-9)
    return [float(i * step) + 0.0 for i in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def _text(x, y, text, anchor="start") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='11' fill='currentColor' "
        f"text-anchor='{anchor}'>{as_html(text)}</text>"
    )


def _frame(shapes, x_label, y_label, x_ticks, y_ticks, x_range, y_range) -> str:
    bottom = HEIGHT - _BOTTOM
    marks = [f"<line x1='{_LEFT}' x2='{WIDTH - _RIGHT}' y1='{bottom}' y2='{bottom}' "
             f"stroke='currentColor'/>"]  # fmt: skip
    for tick in y_ticks:
        y = _at(tick, y_range, bottom, _TOP)
        marks.append(
            f"<line x1='{_LEFT}' x2='{WIDTH - _RIGHT}' y1='{y:.1f}' y2='{y:.1f}' "
            f"stroke='var(--line)'/>{_text(_LEFT - 5, y + 4, f'{tick:.6g}', 'end')}"
        )
    for tick in x_ticks:
        x = _at(tick, x_range, _LEFT, WIDTH - _RIGHT)
        marks.append(_text(x, bottom + 14, f"{tick:.6g}", "middle"))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' role='img' "
        f"aria-label='{as_html(y_label)} by {as_html(x_label)}'>{''.join(marks)}{''.join(shapes)}"
        f"{_text(middle, HEIGHT - 8, x_label, 'middle')}"
        f"<g transform='translate(12 {(bottom + _TOP) / 2:.0f}) rotate(-90)'>"
        f"{_text(0, 0, y_label, 'middle')}</g></svg>"
    )
