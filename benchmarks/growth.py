"""The case "growth": what a token costs as documents, steps, units or minibatches grow.

fastlstm in training and inference along five axes, and PyTorch, padded, for reference on
the axes where it is cheap. Along the axis of minibatches, inference gets so many
documents in a call. Documents of a point have one length, and points have about the
same number of tokens except along the axis of documents. In each of its turns a library
repeats the work until a second has passed: after the pause before, a core and a thread
that slept take milliseconds to wake, which is not a matter of documents or steps.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

from cases import Case
from driver import heading, shares_of_peak, warm_and_timed

BASE = Case("growth", "training", ("fastlstm", "torch_padded"), hidden=64)

_TOKENS = 200_000
_ROUNDS = 3
_SECONDS = 1.0
_TORCH_AXES = ("hidden", "batch", "threads")

AXES = {
    "documents": (1_000, 10_000, 100_000),
    "steps": (50, 200, 500, 1000, 2000),
    "hidden": (32, 64, 128, 256, 512),
    "batch": (1, 8, 32, 128, 512),
    "threads": (1, 2),
}


def point(axis: str, value: int, kind: str, tokens: int = _TOKENS) -> Case:
    """The case of one point of an axis."""
    case = replace(BASE, kind=kind, libraries=BASE.libraries[: 1 + (axis in _TORCH_AXES)])
    if axis == "documents":
        return replace(case, documents=value, shortest=20, longest=20)
    if axis == "steps":
        case = replace(case, shortest=value, longest=value)
    elif axis != "threads":
        case = replace(case, **{axis: value})
    if axis == "batch" and kind == "inference":
        case = replace(case, documents_in_call=value)
    # Whole minibatches, and two at least.
    batches = max(2, round(tokens / case.longest / case.batch))
    return replace(case, documents=batches * case.batch)


def run(arguments, peak) -> dict:
    """Contents of the results file: us a token by kind, axis, library and value."""
    rounds = 1 if arguments.quick else min(arguments.rounds, _ROUNDS)
    seconds = 0.05 if arguments.quick else _SECONDS
    points = []
    for axis, values in AXES.items():
        for value in values[:2] if arguments.quick else values:
            if axis == "threads" and value > arguments.threads:
                continue
            threads = value if axis == "threads" else arguments.threads
            for kind in ("training", "inference"):
                case = point(axis, value, kind, 5_000 if arguments.quick else _TOKENS)
                print(f"  {axis} {value}, {kind}", flush=True)
                # The second call projects the vocabulary.
                first, done = warm_and_timed(case, threads, rounds, seconds)
                for library in done[0]:
                    costs = [answers[library]["us_per_token"] for answers in done]
                    median = statistics.median(costs)
                    share = shares_of_peak(case, {library: median}, threads, peak).get(library)
                    points.append({
                        "axis": axis, "value": value, "kind": kind, "library": library,
                        "threads": threads, "documents": case.documents,
                        "tokens": first[-1][library]["tokens"],
                        "us_per_token": median, "share_of_peak": share, "rounds": costs,
                    })  # fmt: skip
    return {
        **heading(BASE, arguments.threads, peak),
        "summary": summary(points),
        "points": points,
    }


def summary(points: list[dict]) -> dict:
    """For each kind and axis the curve of fastlstm, and its largest over its smallest cost."""
    result: dict = {}
    for kind in ("training", "inference"):
        for axis in AXES:
            curve = {
                str(p["value"]): p["us_per_token"]
                for p in points
                if (p["kind"], p["axis"], p["library"]) == (kind, axis, "fastlstm")
            }
            if curve:
                spread = max(curve.values()) / min(curve.values())
                found = {"us_per_token": curve, "max_over_min": spread}
                result.setdefault(kind, {})[axis] = found
    return result
