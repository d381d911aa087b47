"""Training speed side by side with PyTorch, each library in a process of its own.

    pip install '.[bench]' && python benchmarks/compare.py

The case "seed" is the tutorial model: embedding 64, two LSTM layers of 128, 100
steps, minibatches of 32, a vocabulary of 20,000, Adam, binary cross-entropy. Both
sides get the same token ids, labels, initial weights and number of threads. Before
anything is timed, the losses of the first epoch are compared. Runs alternate, and
medians and the median of the ratios go to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
CASE = {"vocabulary": 20_000, "embedding": 64, "hidden": 128, "layers": 2, "steps": 100}
BATCH, DOCUMENTS, EPOCHS, RATE, SEED = 32, 1600, 4, 1e-3, 0
LIBRARIES = ("fastlstm", "torch", "torch_sparse")


def make_data():
    """Token ids of equal length, and labels that the first half of them decides."""
    rng = np.random.default_rng(SEED)
    ids = rng.integers(1, CASE["vocabulary"], size=(DOCUMENTS, CASE["steps"]), dtype=np.int64)
    labels = (ids[:, : CASE["steps"] // 2].mean(axis=1) > CASE["vocabulary"] / 2).astype(np.int64)
    return ids, labels


def run_fastlstm(ids, labels, threads, weights_path):
    """Seconds and loss of each epoch; leaves its initial weights for the others."""
    from fastlstm import LSTMClassifier
    from fastlstm.estimator import base

    fresh = base.init_parameters

    def keep_initial(*arguments):
        parameters = fresh(*arguments)
        np.savez(weights_path, **parameters.arrays())
        return parameters

    base.init_parameters = keep_initial
    classifier = LSTMClassifier(
        vocabulary_size=CASE["vocabulary"], embedding_dim=CASE["embedding"],
        hidden_size=CASE["hidden"], num_layers=CASE["layers"], bidirectional=False,
        pooling="last", dropout=0, embedding_dropout=0, learning_rate=RATE,
        learning_rate_schedule="constant", warmup_fraction=0, max_grad_norm=None,
        batch_size=BATCH, max_epochs=EPOCHS, early_stopping=False, random_state=SEED,
        n_jobs=threads,
    )  # fmt: skip
    classifier.fit(ids, labels)
    return [(epoch["seconds"], epoch["loss"]) for epoch in classifier.history_]


def run_torch(ids, labels, threads, weights_path, sparse=False):
    """The same job in PyTorch, with dense Adam or row-sparse Adam for the embedding."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    saved = np.load(weights_path)
    embed = torch.nn.Embedding(CASE["vocabulary"], CASE["embedding"], sparse=sparse)
    lstm = torch.nn.LSTM(CASE["embedding"], CASE["hidden"], CASE["layers"], batch_first=True)
    dense = torch.nn.Linear(CASE["hidden"], 1)
    with torch.no_grad():
        embed.weight.copy_(torch.from_numpy(saved["embedding"]))
        for layer in range(CASE["layers"]):
            for ours, theirs in (("w_x", "weight_ih"), ("w_h", "weight_hh"), ("b", "bias_ih")):
                value = torch.from_numpy(saved[f"lstm.{layer}.forward.{ours}"].T.copy())
                getattr(lstm, f"{theirs}_l{layer}").copy_(value)
            getattr(lstm, f"bias_hh_l{layer}").zero_()
        dense.weight.copy_(torch.from_numpy(saved["dense.w"].T.copy()))
        dense.bias.copy_(torch.from_numpy(saved["dense.b"]))
    rest = [*lstm.parameters(), *dense.parameters()]
    if sparse:
        optimizers = [
            torch.optim.SparseAdam(embed.parameters(), lr=RATE),
            torch.optim.Adam(rest, lr=RATE, fused=True),
        ]
    else:
        optimizers = [torch.optim.Adam([*embed.parameters(), *rest], lr=RATE, fused=True)]
    loss_function = torch.nn.BCEWithLogitsLoss()
    X, y = torch.from_numpy(ids), torch.from_numpy(labels).float()
    epochs = []
    for _ in range(EPOCHS):
        started, total = time.perf_counter(), 0.0
        order = torch.randperm(len(X))
        for first in range(0, len(X), BATCH):
            rows = order[first : first + BATCH]
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            output, _ = lstm(embed(X[rows]))
            loss = loss_function(dense(output[:, -1])[:, 0], y[rows])
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            total += loss.item() * len(rows)
        epochs.append((time.perf_counter() - started, total / len(X)))
    return epochs


def worker(library, threads, weights_path):
    ids, labels = make_data()
    if library == "fastlstm":
        epochs = run_fastlstm(ids, labels, threads, weights_path)
    else:
        epochs = run_torch(ids, labels, threads, weights_path, sparse=library == "torch_sparse")
    import resource

    print(json.dumps({
        "first_loss": epochs[0][1],
        # The first epoch holds compilation and warm-up on either side.
        "us_per_token": [1e6 * s / (DOCUMENTS * CASE["steps"]) for s, _ in epochs[1:]],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))  # fmt: skip


def run_one(library, threads, weights_path):
    command = [sys.executable, __file__, "--worker", library, "--threads", str(threads),
               "--weights", weights_path]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(output.stdout.splitlines()[-1])


def processor_name():
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions():
    from importlib.metadata import PackageNotFoundError, version

    import fastlstm

    found = {"python": platform.python_version(), "fastlstm": fastlstm.__version__}
    for name in ("numpy", "numba", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def git_revision():
    command = ["git", "-C", str(FOLDER), "rev-parse", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", choices=LIBRARIES, help=argparse.SUPPRESS)
    parser.add_argument("--weights", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default=str(FOLDER / "results" / "seed_training.json"))
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.threads, arguments.weights)
        return
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "initial.npz")
        rounds = []
        for number in range(arguments.rounds):
            results = {name: run_one(name, arguments.threads, weights) for name in LIBRARIES}
            rounds.append(results)
            line = {k: round(statistics.median(r["us_per_token"]), 2) for k, r in results.items()}
            print(f"round {number + 1}: us a token {line}", flush=True)
    # Row order differs, so the first epochs' losses agree only roughly.
    losses = {name: rounds[0][name]["first_loss"] for name in LIBRARIES}
    if max(losses.values()) - min(losses.values()) > 0.05:
        raise SystemExit(f"the libraries did not train the same model: first losses {losses}")
    write_summary(arguments, rounds)


def write_summary(arguments, rounds):
    medians = {
        name: statistics.median(statistics.median(r[name]["us_per_token"]) for r in rounds)
        for name in LIBRARIES
    }
    ratios = {
        name: statistics.median(
            statistics.median(r[name]["us_per_token"])
            / statistics.median(r["fastlstm"]["us_per_token"])
            for r in rounds
        )
        for name in LIBRARIES
    }
    summary = {
        "case": {**CASE, "batch": BATCH, "documents": DOCUMENTS, "precision": "float32"},
        "threads": arguments.threads,
        "us_per_token_median": medians,
        "times_fastlstm_median": ratios,
        "peak_mib": {name: max(r[name]["peak_mib"] for r in rounds) for name in LIBRARIES},
        "processor": processor_name(),
        "versions": versions(),
        "seed": SEED,
        "revision": git_revision(),
        "rounds": rounds,
    }
    Path(arguments.out).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"us_per_token": medians, "times_fastlstm": ratios}, indent=1))


if __name__ == "__main__":
    main()
