"""What an LSTM remembers and a plain RNN does not: the problems of Hochreiter and Schmidhuber.

    python benchmarks/long_lags.py [--lags 10 50 200 1000] [--symbols 150e6] [--seeds 0 1 2]

Temporal order (1997, experiment 6a): among four kinds of symbols two decisive ones, X or Y each,
stand in the first tenth of a sequence and around its middle; the network tells which two, in
their order, at the end. The adding problem (experiment 4): each step has a number from -1 to 1 and
a mark; 0.5 and a quarter of the sum of the two marked numbers, the first in the first tenth, the
second before the middle, are told at the end, as a probability. The lag is the number of steps
from the end of the first tenth to the last step. One direction of 32 units, last state, Adam with
a rate of 0.003, minibatches of 32 fresh sequences, no dropout. A problem is solved when 99 % of
500 other sequences are right: all of the order, or within 0.04 of the sum. That is looked at each
100 steps, until so many symbols were read; each seed is a training of its own. Rows: a plain RNN,
and LSTMs whose forget gates begin with a bias of 1 and of 5. Then follow norms of gradients by
lag, at the start and after training. Results go to ``benchmarks/results/long_lags.json``.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from machine import RESULTS, description

from fastlstm.core.options import Options
from fastlstm.core.random import make_streams
from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.kernels.registry import load_backend
from fastlstm.memory import norms_of
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import init_parameters, pack_model
from fastlstm.network.predict import predict_logits
from fastlstm.training.lanes import LabelledSequences
from fastlstm.training.loop import Trainer, TrainingState

NETWORKS = {
    "RNN": {"cell": "rnn"},
    "LSTM, bias 1": {"cell": "lstm", "forget_bias": 1.0},
    "LSTM, bias 5": {"cell": "lstm", "forget_bias": 5.0},
}
BATCH, EVERY, SCORED, UNITS = 32, 100, 500, 32
OPTIONS = Options(
    dropout=0.0, embedding_dropout=0.0, learning_rate=3e-3, learning_rate_schedule="constant",
    warmup_fraction=0.0, batch_size=BATCH, max_epochs=1,
)  # fmt: skip


def places(rng, n: int, lag: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Steps of a sequence, and where the decisive ones of ``n`` sequences are."""
    tenth = max(1, lag // 10)
    length = lag + tenth
    return length, rng.integers(0, tenth, n), rng.integers(length // 2, length // 2 + tenth, n)


def temporal_order(rng, n: int, lag: int) -> LabelledSequences:
    """Ids 2 to 5 say nothing, 6 and 7 are X and Y."""
    length, first, second = places(rng, n, lag)
    ids = rng.integers(2, 6, (n, length)).astype(np.int32)
    kinds = rng.integers(0, 2, (2, n))
    ids[np.arange(n), first], ids[np.arange(n), second] = 6 + kinds
    sequences = TokenSequences(ids.ravel(), length * np.arange(n + 1))
    return LabelledSequences(sequences, 2 * kinds[0] + kinds[1], np.ones(n))


def adding(rng, n: int, lag: int) -> LabelledSequences:
    """Every step has the same id; its features are the number and the mark."""
    length, first, second = places(rng, n, lag)
    second -= max(1, lag // 10)  # before the middle
    numbers = rng.uniform(-1, 1, (n, length))
    marks = np.zeros((n, length))
    marks[np.arange(n), first] = marks[np.arange(n), second] = 1
    features = np.stack([numbers, marks], axis=2).astype(np.float32).reshape(-1, 2)
    ids = np.ones(n * length, dtype=np.int32)
    sequences = TokenSequences(ids, length * np.arange(n + 1), None, features)
    return LabelledSequences(sequences, 0.5 + (numbers * marks).sum(axis=1) / 4, np.ones(n))


PROBLEMS = {"temporal order": temporal_order, "adding": adding}


def make_config(problem: str, cell: str) -> ModelConfig:
    adds = problem == "adding"
    return ModelConfig(
        vocabulary_size=8, embedding_dim=1 if adds else 8, hidden_size=UNITS, cell=cell,
        bidirectional=False, pooling="last", n_outputs=1 if adds else 4,
        n_step_features=2 if adds else 0,
    )  # fmt: skip


def share_right(problem: str, logits: np.ndarray, y: np.ndarray) -> float:
    if problem == "adding":
        return float(np.mean(np.abs(1 / (1 + np.exp(-logits[:, 0])) - y) < 0.04))
    return float(np.mean(logits.argmax(axis=1) == y))


def rounded(norms) -> list[float]:
    """Three digits are enough for a picture."""
    return [float(f"{norm:.3g}") for norm in norms.states[0, 0]]


def train(k, problem: str, network: dict, lag: int, most: int, seed: int) -> dict:
    """Steps until it is solved, or None; the share that was right last; norms by lag."""
    make, cell = PROBLEMS[problem], network["cell"]
    config, streams = make_config(problem, cell), make_streams(seed)
    bias = network.get("forget_bias", 1.0)
    state = TrainingState(init_parameters(config, streams, forget_bias=bias), streams.training)
    rng = np.random.default_rng(seed + 1)
    scored = make(np.random.default_rng(10_000), SCORED, lag)
    few = scored.sequences.take(np.arange(20))
    before = norms_of(config, [state.parameters], few)
    started, right, solved = time.perf_counter(), 0.0, None
    with ShardPool(2, k) as pool:
        trainer = Trainer(k, config, state, OPTIONS, pool)
        for step in range(EVERY, most + 1, EVERY):
            trainer.run(make(rng, EVERY * BATCH, lag), None)
            packed = pack_model(k, config, state.parameters)
            logits = predict_logits(k, config, state.parameters, packed, scored.sequences, pool.map)
            right = share_right(problem, logits, scored.y)
            if right >= 0.99:
                solved = step
                break
    after = norms_of(config, [state.parameters], few)
    return {
        "solved_after": solved, "right": right, "seconds": time.perf_counter() - started,
        "norms_before": rounded(before), "norms_after": rounded(after),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lags", type=int, nargs="+", default=[10, 50, 200, 1000])
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--symbols", type=float, default=150e6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    k = load_backend("auto")
    path = RESULTS / "long_lags.json"
    result = {**description(), "symbols": arguments.symbols, "problems": {}}
    for problem in arguments.problems:
        of_problem = result["problems"][problem] = {}
        for lag in arguments.lags:
            length = places(np.random.default_rng(0), 1, lag)[0]
            most = int(arguments.symbols / (BATCH * length))
            for name, network in NETWORKS.items():
                of_seeds = of_problem.setdefault(name, {})[str(lag)] = []
                for seed in arguments.seeds:
                    found = train(k, problem, network, lag, most, seed)
                    of_seeds.append(found)
                    if len(of_seeds) > 1:  # the first one is drawn
                        del found["norms_before"], found["norms_after"]
                    steps = found["solved_after"]
                    said = f"not solved, {found['right']:.1%} right"
                    said = said if steps is None else f"{steps} steps"
                    seconds = f"{found['seconds']:.0f} s"
                    print(f"{problem}, lag {lag}, {name}: {said}, {seconds}", flush=True)
                path.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
