"""Seconds of ``partial_fit`` with one document, beside those of ``predict``.

    python benchmarks/partial_fit.py

The model is as large as one of the 25,000 IMDb reviews: 30,000 tokens, 100,000 n-grams with
vectors, three networks, a linear part. Its weights are drawn, since they do not change the
work. Calls alternate. The median of each is printed, and their ratio; before them come calls
that are not counted, in which memory is touched for the first time.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np

from fastlstm import LSTMSentimentClassifier
from fastlstm.classifier.blend import Blend
from fastlstm.classifier.fitted import FittedModel, TrainingRecord
from fastlstm.classifier.linear_part import LinearPart
from fastlstm.core.random import make_streams
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import init_parameters
from fastlstm.text.encoder import TextEncoder, TextOptions
from fastlstm.text.ngrams import NGrams
from fastlstm.text.vocabulary import Vocabulary

N_WORDS, N_NGRAMS, N_LINEAR, N_TOKENS = 30_000, 100_000, 1_500_000, 230


def pairs(rng, n_tokens: int, count: int) -> NGrams:
    """Distinct pairs of tokens, frequent ones more often."""
    left, right = (2 + (rng.random((2, 3 * count)) ** 3 * (n_tokens - 2))).astype(np.int64)
    keys = np.unique(left << 32 | right)
    keys = np.sort(rng.permutation(keys)[:count])
    return NGrams(n_tokens, np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1))


def model() -> LSTMSentimentClassifier:
    """An estimator with drawn weights."""
    rng = np.random.default_rng(0)
    clf = LSTMSentimentClassifier(random_state=0)
    vocabulary = Vocabulary([f"w{number}" for number in range(N_WORDS)])
    encoder = TextEncoder(TextOptions(), vocabulary, len(vocabulary))
    ngrams = pairs(rng, len(vocabulary), N_NGRAMS)
    config = ModelConfig(
        vocabulary_size=len(vocabulary) + len(ngrams), embedding_dim=128, hidden_size=64,
        num_layers=1, bidirectional=True, pooling="max", n_outputs=1, dropout=0.5,
        embedding_dropout=0.4, n_ngrams=len(ngrams), segment_length=100,
    )  # fmt: skip
    networks = tuple(
        init_parameters(config, make_streams(seed), parents=ngrams.parents) for seed in range(3)
    )
    further = pairs(rng, len(vocabulary), N_LINEAR)
    weights = rng.normal(size=(1, further.n_tokens + len(further))).astype(np.float32) / 50
    linear = LinearPart(further, weights, np.zeros(1, np.float32))
    record = TrainingRecord((), "max_epochs", np.ones(2), 0.0)
    clf._hold(
        FittedModel(
            encoder, config, networks, ngrams, linear, Blend.even(2, 1), np.array(["bad", "good"]),
            np.full(2, 0.5), record,
        ),
        {},
    )  # fmt: skip
    return clf


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--before", type=int, default=50, help="calls that are not counted")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    clf, rng = model(), np.random.default_rng(1)

    def document():
        words = 2 + (rng.random(N_TOKENS) ** 3 * N_WORDS).astype(int)
        return [" ".join(f"w{word}" for word in words)]

    calls = {
        "predict": lambda text, label: clf.predict(text),
        "partial_fit": lambda text, label: clf.partial_fit(text, [label]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(arguments.before + arguments.calls):
        for name, call in calls.items():
            text = document()
            started = time.perf_counter()
            call(text, ("bad", "good")[number % 2])
            seconds[name].append(time.perf_counter() - started)
    median = {
        name: 1000 * float(np.median(found[arguments.before :])) for name, found in seconds.items()
    }
    first = ", ".join(f"{1000 * found:.0f}" for found in seconds["partial_fit"][:3])
    print(f"the first calls of partial_fit, ms: {first}")
    print(", ".join(f"{name} {found:.2f} ms" for name, found in median.items()), end=": ")
    print(f"{median['partial_fit'] / median['predict']:.1f} x")


if __name__ == "__main__":
    main()
