"""Skip-gram beside gensim's on one core: the same texts, the same settings, rounds in turn.

    FASTLSTM_REVIEW_SETS=FOLDER python benchmarks/word_vectors.py

Needs gensim. Both get the same documents as token ids, with the vocabulary built before the
clock starts, and run one epoch a round. Then each set of vectors, after four epochs, is
judged by a linear classifier on the mean vectors of documents, on 10,000 further documents
that neither has seen. Writes ``benchmarks/results/word_vectors.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from typing import NamedTuple

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
from accuracy_child import read  # noqa: E402
from machine import RESULTS, description  # noqa: E402

from fastlstm.core.records import TokenSequences  # noqa: E402

WIDTH, WINDOW, NEGATIVES, SUBSAMPLE, RATE = 128, 8, 5, 1e-4, 0.025
N_JUDGED = 10_000


class Documents(NamedTuple):
    """Token ids of reviews and their labels."""

    sequences: TokenSequences
    labels: np.ndarray


def documents(n: int):
    """Film reviews to learn from, others to judge by, and the number of token ids."""
    from fastlstm.text.encoder import TextEncoder, TextOptions

    table = read("imdb/train")
    options = TextOptions(max_features=30000, max_length=None)
    encoder, encoded = TextEncoder.learn(table.texts[:n], options)
    learned = Documents(encoded.sequences, table.labels[:n])
    part = slice(n, n + N_JUDGED)
    judged = Documents(encoder.read(table.texts[part]), table.labels[part])
    return learned, judged, len(encoder.vocabulary)


class OfFastlstm:
    def __init__(self, sequences, n_tokens):
        from fastlstm.kernels.registry import load_backend

        self.k, self.sequences, self.n_tokens = load_backend("auto"), sequences, n_tokens
        self.run(1, rows=np.arange(200))  # loads or compiles the kernel

    def run(self, epochs: int, rows=None) -> np.ndarray:
        from fastlstm.vectors.learned import SkipGramOptions, skip_gram

        options = SkipGramOptions(WINDOW, NEGATIVES, SUBSAMPLE, epochs, RATE)
        part = self.sequences if rows is None else self.sequences.take(rows)
        return skip_gram(self.k, part, self.n_tokens, WIDTH, np.random.default_rng(0), options)


class OfGensim:
    def __init__(self, sequences, n_tokens):
        from gensim.models import Word2Vec

        self.n_tokens = n_tokens
        self.texts = [
            list(map(str, sequences.document(i).tolist())) for i in range(sequences.n_documents)
        ]
        self.model = Word2Vec(
            vector_size=WIDTH, window=WINDOW, min_count=1, sample=SUBSAMPLE, seed=0, workers=1,
            sg=1, negative=NEGATIVES, alpha=RATE, max_vocab_size=None,
        )  # fmt: skip
        self.model.build_vocab(self.texts)

    def run(self, epochs: int) -> np.ndarray:
        self.model.wv.vectors = None  # otherwise gensim goes on from what is there
        self.model.init_weights()
        self.model.train(self.texts, total_examples=len(self.texts), epochs=epochs)
        vectors = np.zeros((self.n_tokens, WIDTH), np.float32)
        for token, row in self.model.wv.key_to_index.items():
            vectors[int(token)] = self.model.wv.vectors[row]
        return vectors


def usefulness(vectors, learned: Documents, judged: Documents) -> float:
    """Accuracy of logistic regression on mean vectors."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def means(sequences):
        rows = range(sequences.n_documents)
        return np.stack([vectors[sequences.document(row)].mean(axis=0) for row in rows])

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(means(learned.sequences), learned.labels)
    return float(model.score(means(judged.sequences), judged.labels))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    learned, judged, n_tokens = documents(arguments.documents)
    sequences = learned.sequences
    libraries = {
        "fastlstm": OfFastlstm(sequences, n_tokens),
        "gensim": OfGensim(sequences, n_tokens),
    }
    seconds: dict[str, list[float]] = {name: [] for name in libraries}
    for number in range(arguments.rounds):
        for name in list(libraries)[:: 1 if number % 2 else -1]:
            started = time.perf_counter()
            libraries[name].run(1)
            seconds[name].append(time.perf_counter() - started)
    ratios = [g / f for f, g in zip(seconds["fastlstm"], seconds["gensim"], strict=True)]
    n = len(sequences.ids)
    result = {
        **description(), "documents": arguments.documents, "tokens": n, "seconds": seconds,
        "tokens_per_second": {m: n / statistics.median(s) for m, s in seconds.items()},
        "gensim_over_fastlstm": statistics.median(ratios),
        "accuracy": {m: usefulness(x.run(4), learned, judged) for m, x in libraries.items()},
    }  # fmt: skip
    print({key: result[key] for key in ("tokens_per_second", "gensim_over_fastlstm", "accuracy")})
    path = RESULTS / "word_vectors.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
