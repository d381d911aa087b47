"""The case "mixed_lengths": what a token costs where a minibatch holds short and long documents.

Lengths are drawn uniformly from 1 to the longest, and minibatches are not sorted by length.
PyTorch has two ways: padded, where half of the steps are padding, and packed, which is the one
way to hand ``torch.nn.LSTM`` lengths. The network has two layers and a small vocabulary, so
that neither the embedding nor its update counts for much. Batch and units are those of a CPU.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

from cases import Case
from driver import chosen, heading, shares_of_peak, warm_and_timed

BASE = Case(
    "mixed_lengths", "training", ("fastlstm", "torch_padded", "torch_packed"),
    vocabulary=1_000, hidden=64, layers=2, batch=16, shortest=1, bucketed=False,
)  # fmt: skip

LONGEST = (10, 20, 50, 100, 200, 500, 1000, 2000, 4000)

_ROUNDS, _SECONDS = 3, 1.0
# Packed, a minibatch of longer documents takes PyTorch minutes: one round then.
_MANY_ROUNDS_TO = 1000
_TOKENS = 60_000


def point(longest: int, tokens: int = _TOKENS) -> Case:
    """The case of one longest length, with whole minibatches, and two at least."""
    batches = max(2, round(2 * tokens / longest / BASE.batch))
    return replace(BASE, longest=longest, documents=batches * BASE.batch)


def run(arguments, peak) -> dict:
    """Contents of the results file: us a token by longest length and library."""
    points, libraries = [], chosen(BASE, arguments.library)
    seconds = 0.05 if arguments.quick else _SECONDS
    for longest in LONGEST[:4:3] if arguments.quick else LONGEST:
        case = point(longest, 500 if arguments.quick else _TOKENS)
        print(f"  1 to {longest} tokens", flush=True)
        several = not arguments.quick and longest <= _MANY_ROUNDS_TO
        rounds = min(arguments.rounds, _ROUNDS) if several else 1
        _, done = warm_and_timed(case, arguments.threads, rounds, seconds, libraries, 1)
        costs = {name: [answers[name]["us_per_token"] for answers in done] for name in done[0]}
        medians = {name: statistics.median(each) for name, each in costs.items()}
        points.append({
            "longest": longest, "documents": case.documents, "us_per_token": medians,
            "share_of_peak": shares_of_peak(case, medians, arguments.threads, peak),
            "rounds": costs,
        })  # fmt: skip
    return {
        **heading(BASE, arguments.threads, peak),
        "summary": {str(p["longest"]): p["us_per_token"] for p in points},
        "points": points,
    }
