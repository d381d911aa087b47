"""Prediction of very long texts: peak memory and time by their length.

    python benchmarks/long_prediction.py [--tokens 10000 100000 1000000 10000000]

A model is fitted on the bundled reviews with ``max_length=None``, so that its networks read all
of a text. Texts are the reviews' sentences in random order, in a file. ``Predictor.predict_long``
reads each in a process of its own, once with segments that begin anew and once with states that
are handed on (``segment_state="carried"``). Peak memory is the whole process's. Results go to
``benchmarks/results/LEVEL/long_prediction.json``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import RESULTS, description, instruction_level

STATES = ("fresh", "carried")


def fit(folder: Path) -> list[str]:
    """Models of both kinds in the folder; the training texts."""
    from fastlstm import LSTMSentimentClassifier, datasets

    found = datasets.load_reviews(split="train")
    for state in STATES:
        model = LSTMSentimentClassifier(
            max_length=None, segment_state=state, n_estimators=1, max_epochs=2, random_state=0
        )
        model.fit(found.texts, found.labels).save(folder / f"{state}.fastlstm")
    return found.texts


def write_text(path: Path, texts: list[str], n_tokens: int) -> None:
    """About so many tokens, a review a line."""
    from fastlstm.text.tokenizers import get_tokenizer

    tokenize, rng, written = get_tokenizer(), np.random.default_rng(0), 0
    lengths = [len(tokenize(text)) for text in texts]
    lines = [" ".join(text.split()) + "\n" for text in texts]
    with open(path, "w", encoding="utf-8") as stream:
        while written < n_tokens:
            row = int(rng.integers(len(texts)))
            stream.write(lines[row])
            written += lengths[row]


def measure_here(model: str, path: str) -> dict:
    """In this process, on one thread."""
    from fastlstm import Predictor

    predictor = Predictor(model, n_jobs=1)
    predictor.predict_long(["a few words"])
    started = time.perf_counter()
    found = predictor.predict_long(path)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert found.n_read == found.n_tokens, "the networks read all of it"
    return {
        "n_tokens": found.n_tokens, "peak_mib": peak,
        "us_per_token": 1e6 * seconds / found.n_tokens,
        "probabilities": found.probabilities.tolist(),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000]
    )
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure_here(*arguments.here)))
        return
    result: dict[str, list[dict]] = {state: [] for state in STATES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = fit(folder)
        for n_tokens in arguments.tokens:
            write_text(folder / "text.txt", texts, n_tokens)
            for state in STATES:
                command = [sys.executable, __file__, "--here", folder / f"{state}.fastlstm"]
                command = [*map(str, command), str(folder / "text.txt")]
                found = subprocess.run(command, capture_output=True, text=True, check=True)
                result[state].append(json.loads(found.stdout.splitlines()[-1]))
                last = result[state][-1]
                more = last["peak_mib"] - result[state][0]["peak_mib"]
                print(
                    f"{state} {last['n_tokens']:,} tokens: {last['peak_mib']:.0f} MiB "
                    f"({more:+.0f}), {last['us_per_token']:.2f} us a token", flush=True,
                )  # fmt: skip
    path = RESULTS / instruction_level() / "long_prediction.json"
    path.write_text(
        json.dumps({**description(), "results": result}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
