"""Steps of private training: beside ordinary ones, and beside Opacus.

    python benchmarks/private_steps.py [--batch 256] [--steps 8] [--rounds 5]

The model of the case "seed" of cases.py: 20,000 tokens, vectors of 64 numbers, two LSTM layers of
128 units, documents of 100 tokens, Adam. Each way runs in a process of its own, in turn, with two
threads: ordinary steps of fastlstm, private ones, and Opacus' DPLSTM where it is installed
(``pip install '.[bench]'``). A step is drawn (Poisson), clipped by document, and gets noise in all
weights, the whole table too. The first step does not count. Peak memory is what a process takes
beyond its memory before its first step. Results go to
``benchmarks/results/LEVEL/private_steps.json``.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
from cases import CASES
from machine import RESULTS, description, instruction_level

CASE = CASES["seed"]
LENGTH = CASE.longest
WAYS = ("ordinary", "private", "opacus")
N_THREADS = 2


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def documents(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    ids = rng.integers(2, CASE.vocabulary, (n, LENGTH)).astype(np.int32)
    return ids, rng.integers(0, 2, n)


def of_fastlstm(private: bool, batch: int, steps: int) -> list[float]:
    """Seconds of each step."""
    from functools import partial

    from fastlstm.core.options import Options
    from fastlstm.core.random import make_streams
    from fastlstm.core.records import TokenSequences
    from fastlstm.core.threads import ShardPool
    from fastlstm.kernels.registry import load_backend
    from fastlstm.network.config import ModelConfig
    from fastlstm.network.parameters import init_parameters
    from fastlstm.privacy.training import NoisySums, Plan
    from fastlstm.training.callbacks import Callback
    from fastlstm.training.engine import LabelledSequences
    from fastlstm.training.loop import Trainer, TrainingState

    k = load_backend("auto")
    config = ModelConfig(
        CASE.vocabulary, CASE.embedding, CASE.hidden, num_layers=CASE.layers,
        bidirectional=CASE.bidirectional, pooling="last",
    )  # fmt: skip
    n = batch * 8
    ids, y = documents(n)
    sequences = TokenSequences(ids.ravel(), np.arange(n + 1) * LENGTH)
    data = LabelledSequences(sequences, y, np.ones(n))
    state = TrainingState(init_parameters(config, make_streams(1)), np.random.default_rng(0))
    options = Options(batch_size=batch, max_epochs=-(-steps // 8), max_grad_norm=None)
    plan = Plan(np.arange(n), n, batch / n, 1.0, 1.0, 8)
    times: list[float] = []

    class Clock(Callback):
        def on_step_end(self, epoch, number, loss):
            times.append(time.perf_counter())

    with ShardPool(N_THREADS, k) as pool:
        trainer = Trainer(
            k, config, state, options, pool, [Clock()],
            source=partial(NoisySums, plan) if private else None,
        )  # fmt: skip
        trainer.run(data, None)
    return np.diff(times).tolist()


def of_opacus(batch: int, steps: int) -> list[float]:
    """The same for Opacus."""
    import torch
    from opacus import PrivacyEngine
    from opacus.layers import DPLSTM
    from torch import nn

    torch.set_num_threads(N_THREADS)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(CASE.vocabulary, CASE.embedding)
            self.lstm = DPLSTM(
                CASE.embedding, CASE.hidden, num_layers=CASE.layers, batch_first=True
            )
            self.dense = nn.Linear(CASE.hidden, 1)

        def forward(self, ids):
            out, _ = self.lstm(self.embedding(ids))
            return self.dense(out[:, -1])[:, 0]

    n = batch * 8
    ids, y = documents(n)
    rows = torch.utils.data.TensorDataset(
        torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(y.astype(np.float32))
    )
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(rows, batch_size=batch)
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0,
        max_grad_norm=1.0,
    )  # fmt: skip
    times = []
    while len(times) <= steps:
        for x, target in loader:
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(model(x), target).backward()
            optimizer.step()
            times.append(time.perf_counter())
            if len(times) > steps:
                break
    return np.diff(times).tolist()


def child(way: str, batch: int, steps: int) -> dict:
    """One way in this process."""
    if way == "opacus":
        import opacus
        import torch  # noqa: F401

        found = {"version": opacus.__version__}
    else:
        import fastlstm

        found = {"version": fastlstm.__version__}
    before = peak_mib()
    if way == "opacus":
        times = of_opacus(batch, max(2, steps // 4))  # it takes very much longer
    else:
        times = of_fastlstm(way == "private", batch, steps)
    return {**found, "seconds": times, "peak_mib": peak_mib() - before}


def run(way: str, batch: int, steps: int) -> dict:
    command = [
        sys.executable,
        __file__,
        "--child",
        way,
        "--batch",
        str(batch),
        "--steps",
        str(steps),
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def summary(rounds: list[dict[str, dict]]) -> dict:
    """Medians of the ratios within a round."""
    seconds = [{way: statistics.median(each[way]["seconds"]) for way in each} for each in rounds]
    found = {
        "private_by_ordinary": statistics.median(s["private"] / s["ordinary"] for s in seconds),
        "ms": {way: 1e3 * statistics.median(s[way] for s in seconds) for way in seconds[0]},
        "peak_mib": {
            way: statistics.median(each[way]["peak_mib"] for each in rounds) for way in rounds[0]
        },
    }
    if "opacus" in seconds[0]:
        found["opacus_by_private"] = statistics.median(s["opacus"] / s["private"] for s in seconds)
        found["peak_by_opacus"] = found["peak_mib"]["private"] / found["peak_mib"]["opacus"]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", choices=WAYS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(args.child, args.batch, args.steps)))
        return
    ways = [way for way in WAYS if way != "opacus" or find_spec("opacus")]
    rounds = []
    for number in range(args.rounds):
        rounds.append({way: run(way, args.batch, args.steps) for way in ways})
        print(f"round {number + 1}: {summary(rounds)}", file=sys.stderr)
    result = {
        **description(), "batch": args.batch, "threads": N_THREADS, "summary": summary(rounds),
        "rounds": rounds,
    }  # fmt: skip
    path = RESULTS / instruction_level() / "private_steps.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["summary"], indent=1))


if __name__ == "__main__":
    main()
