"""One long document in training: peak memory and time, states kept or computed again.

    python benchmarks/long_documents.py [--tokens 100000] [--turns 3]

A network with vectors of 64 numbers and two directions of 128 units reads one document and
goes back through it; three steps, of which the fastest counts. Each way runs in a process of
its own, in turn: fastlstm with ``recompute=False`` and ``recompute=True``, and PyTorch's
``nn.LSTM`` where it is installed. Peak memory is what a process takes beyond its memory after a
step on 300 tokens. Then follows the cost of a token for documents of 100 to ``--tokens`` tokens.
Results go to ``benchmarks/results/LEVEL/long_documents.json``.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from machine import RESULTS, description, instruction_level

VOCABULARY, WIDTH, HIDDEN = 5000, 64, 128
STEPS = 3
WAYS = ("plain", "recompute", "torch")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ids(n_tokens: int) -> np.ndarray:
    return np.random.default_rng(0).integers(2, VOCABULARY, n_tokens).astype(np.int32)


def of_fastlstm(recompute: bool):
    """A call that trains on one document of so many tokens, without the optimiser's step."""
    from fastlstm.core.random import make_streams
    from fastlstm.core.records import TokenSequences
    from fastlstm.core.threads import ShardPool
    from fastlstm.kernels.registry import load_backend
    from fastlstm.network.config import ModelConfig
    from fastlstm.network.parameters import init_parameters, pack_model
    from fastlstm.training.engine import GradientEngine, LabelledSequences

    k = load_backend("auto")
    config = ModelConfig(VOCABULARY, WIDTH, HIDDEN, pooling="max")
    parameters = init_parameters(config, make_streams(1))
    packed = pack_model(k, config, parameters, training=True)
    engine = GradientEngine(k, config, ShardPool(1, k))
    engine.recompute = recompute

    def step(n_tokens: int) -> None:
        sequences = TokenSequences(ids(n_tokens), np.array([0, n_tokens]))
        data = LabelledSequences(sequences, np.array([1]), np.ones(1))
        engine(parameters, packed, data, np.array([0]), None)

    return step


def of_torch():
    """The same for PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    embedding = nn.Embedding(VOCABULARY, WIDTH)
    network = nn.LSTM(WIDTH, HIDDEN, bidirectional=True, batch_first=True)
    dense = nn.Linear(2 * HIDDEN, 1)

    def step(n_tokens: int) -> None:
        out, _ = network(embedding(torch.from_numpy(ids(n_tokens).astype(np.int64)))[None])
        logits = dense(out.max(dim=1).values)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        loss.backward()

    return step


def measure_here(way: str, lengths: list[int]) -> dict:
    """In this process: seconds of the fastest step for each length, and the peak at the last."""
    step = of_torch() if way == "torch" else of_fastlstm(way == "recompute")
    step(300)
    before, seconds = peak_mib(), {}
    for n_tokens in lengths:
        each = []
        for _ in range(STEPS):
            started = time.perf_counter()
            step(n_tokens)
            each.append(time.perf_counter() - started)
        seconds[n_tokens] = min(each)
    return {"seconds": seconds, "peak_mib": peak_mib() - before}


def measure(way: str, lengths: list[int]) -> dict | None:
    """In a process of its own; None where the library is not installed."""
    if way == "torch":
        from importlib.util import find_spec

        if find_spec("torch") is None:
            return None
    command = [sys.executable, __file__, "--way", way, "--lengths", *map(str, lengths)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(found.stdout.splitlines()[-1])


def summary(turns: list[dict], n_tokens: int) -> dict:
    """Medians over the turns."""
    return {
        "seconds": statistics.median(turn["seconds"][str(n_tokens)] for turn in turns),
        "peak_mib": statistics.median(turn["peak_mib"] for turn in turns),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--lengths", type=int, nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure_here(arguments.way, arguments.lengths)))
        return
    turns: dict[str, list[dict]] = {}
    for _ in range(arguments.turns):
        for way in WAYS:
            found = measure(way, [arguments.tokens])
            if found is not None:
                turns.setdefault(way, []).append(found)
    result = {way: summary(each, arguments.tokens) for way, each in turns.items()}
    for way, found in result.items():
        beside = {key: round(value / result["plain"][key], 3) for key, value in found.items()}
        print(way, {key: round(value, 2) for key, value in found.items()}, "of plain", beside)
    lengths = [n for n in (100, 1000, 10_000, 100_000, 1_000_000) if n <= arguments.tokens]
    cost = {}
    for way in ("plain", "recompute"):
        seconds = measure(way, lengths)["seconds"]
        cost[way] = {n: 1e6 * s / int(n) for n, s in seconds.items()}
        print(way, "us a token", {n: round(us, 2) for n, us in cost[way].items()})
    known = {"n_tokens": arguments.tokens, "ways": result, "us_per_token": cost}
    path = RESULTS / instruction_level() / "long_documents.json"
    path.write_text(json.dumps({**description(), **known}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
