"""The plots of the documents, from the results files; needs matplotlib."""

from __future__ import annotations

import statistics
from pathlib import Path

from cases import CASES
from measured import GROUPS, group_ratios, read

from fastlstm.kernels.levels import LEVELS

_COLOURS = {"PyTorch": "#d95f02", "Keras": "#7570b3", "ONNX Runtime": "#66a61e",
            "fastlstm": "#1b9e77"}  # fmt: skip
# Rows that other libraries made.
_PEERS = ("TF-IDF", "logistic", "gradient")


def _axes(title, label, size):
    """A figure of the style of all plots, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(size, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure, path: Path):
    import matplotlib

    matplotlib.rcParams["svg.hashsalt"] = "fastlstm"  # the same file from the same numbers
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def ratio_bars(folder: Path):
    """Bars of each peer's time beside fastlstm's, by case and precision; a figure or None."""
    bars = []
    for name in CASES:
        result = read(folder, name)
        if result is None or "us_per_token" not in result or name == "whole_job":
            continue
        for precision, end in (("float32", ""), ("bfloat16", "\nbfloat16")):
            ratios = group_ratios(result, precision)
            ratios = {g: r for g, r in ratios.items() if g in _COLOURS}
            if ratios:
                bars.append((name.replace("_", "\n") + end, ratios))
    if not bars:
        return None
    figure, axes = _axes("Time beside fastlstm (1 = as fast, higher = slower)",
                         "times fastlstm", (1.6 + 1.2 * len(bars), 3.6))  # fmt: skip
    groups = [g for g in GROUPS if any(g in ratios for _, ratios in bars)]
    for number, group in enumerate(groups):
        width = 0.8 / len(groups)
        shift = (number - (len(groups) - 1) / 2) * width
        places = [i + shift for i, (_, ratios) in enumerate(bars) if group in ratios]
        heights = [ratios[group] for _, ratios in bars if group in ratios]
        drawn = axes.bar(places, heights, width, label=group, color=_COLOURS[group])
        axes.bar_label(drawn, fmt="%.1f", fontsize=8)
    axes.axhline(1, color=_COLOURS["fastlstm"], linewidth=2, label="fastlstm")
    axes.set_xticks(range(len(bars)), [label for label, _ in bars], fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    return figure


def growth_curves(folder: Path):
    """Cost of a token along the axes of "growth"; a figure or None."""
    from matplotlib.figure import Figure

    result = read(folder, "growth")
    if result is None:
        return None
    axis_names = [a for a in ("documents", "steps", "hidden", "batch")
                  if a in result["summary"]["training"]]  # fmt: skip
    figure = Figure((3 * len(axis_names), 3), layout="constrained")
    for axes, axis in zip(figure.subplots(1, len(axis_names), squeeze=False)[0], axis_names,
                          strict=True):  # fmt: skip
        for library, group in (("fastlstm", "fastlstm"), ("torch_padded", "PyTorch")):
            for kind, style in (("training", "-"), ("inference", "--")):
                chosen = [
                    p
                    for p in result["points"]
                    if (p["axis"], p["library"], p["kind"]) == (axis, library, kind)
                ]
                if not chosen:
                    continue
                axes.plot([p["value"] for p in chosen], [p["us_per_token"] for p in chosen],
                          style, marker="o", markersize=3, color=_COLOURS[group],
                          label=f"{group}, {kind}")  # fmt: skip
        axes.set_xscale("log", base=10 if axis == "documents" else 2)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(axis)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    first = figure.axes[0]
    first.set_ylabel("us a token")
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    first.legend(handles, labels, frameon=False, fontsize=7)
    return figure


def missing_data_curves(folder: Path):
    """Accuracy against the share that is missing; a figure or None."""
    from matplotlib.figure import Figure

    result = read(folder, "missing_data")
    if result is None:
        return None
    sets = [
        (f"{part} of {name}", rows)
        for part, of_part in result["parts"].items()
        for name, rows in of_part.items()
    ]
    figure = Figure((4.2 * len(sets), 3.4), layout="constrained")
    for axes, (title, rows) in zip(
        figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True
    ):
        for row, accuracy in rows.items():
            is_peer = row.startswith(_PEERS)
            axes.plot([100 * share for share in result["shares"]],
                      [100 * statistics.mean(of_seed) for of_seed in zip(*accuracy, strict=True)],
                      "--" if is_peer else "-", marker="o", markersize=3, label=row)  # fmt: skip
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("% missing")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=7)
    figure.axes[0].set_ylabel("test accuracy, %")
    return figure


def long_lags_curves(folder: Path):
    """Norms of gradients by lag, at the start and after training; a figure or None."""
    from matplotlib.figure import Figure

    result = read(folder, "long_lags")
    if result is None or "200" not in next(iter(result["problems"]["temporal order"].values())):
        return None
    figure = Figure((8.4, 3.4), layout="constrained")
    for axes, key, title in zip(
        figure.subplots(1, 2, sharey=True), ("norms_before", "norms_after"),
        ("at the start", "after training"), strict=True,
    ):  # fmt: skip
        for network, of_lags in result["problems"]["temporal order"].items():
            axes.plot(of_lags["200"][0][key], label=network)
        axes.set_yscale("log")
        axes.set_ylim(1e-12, 10)
        axes.set_title(f"Temporal order, lag 200, {title}", loc="left", fontsize=10)
        axes.set_xlabel("steps to the end")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("norm of the gradient by the state")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


# Of each instruction level, and of results that do not depend on it.
_OF_LEVELS = {"speed": ratio_bars, "growth": growth_curves}
_OF_ALL = {"missing-data": missing_data_curves, "long-lags": long_lags_curves}


def draw_all(folder: Path, images: Path) -> None:
    """Draw every plot whose results are in ``folder``."""
    plots = {f"{name}-{level}": (draw, folder / level)
             for name, draw in _OF_LEVELS.items() for level in LEVELS}  # fmt: skip
    plots |= {name: (draw, folder) for name, draw in _OF_ALL.items()}
    for name, (draw, own) in plots.items():
        figure = draw(own)
        if figure is not None:
            _save(figure, images / f"{name}.svg")
