"""Accuracy by epsilon on imdb: what a promise of privacy costs.

    python benchmarks/private_accuracy.py [--dev] [--epsilon 3 8] [--rows ...] [--seeds 1]

The 25,000 labelled reviews are taken for private, the 50,000 without labels for public: from them
come the 10,000 most frequent words where a vocabulary is given, and word vectors of 64 numbers,
learned from the first 25,000. Their films are none of the labelled ones. ``chosen`` is what
``LSTMSentimentClassifier.private(epsilon)`` does by itself; rows of networks alone have no linear
part. ``opacus`` is logistic regression on the same given words, each review of length 1, by
Opacus where it is installed. With ``--dev`` nothing is read of the test set: reviews of
a fifth of the films are scored. Noise is drawn anew for each seed. Results go to
``benchmarks/results/private_accuracy[_dev].json``.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from importlib.util import find_spec

import numpy as np
from accuracy_child import Table, read, split
from machine import RESULTS, description

GIVEN = {"vocabulary": True}
# Networks bear more steps where no noise is spent on vectors; chosen on the development part.
VECTORS = {
    "vocabulary": True, "word_vectors": True, "train_vectors": False, "hidden_size": 32,
    "max_epochs": 16, "learning_rate": 0.02,
}  # fmt: skip
ROWS = {
    "chosen": {},
    "vocabulary": GIVEN,
    "vectors": VECTORS,
    "networks, vocabulary": {**GIVEN, "wide": None},
    "networks, vectors": {**VECTORS, "wide": None},
    "opacus": None,
}
N_WORDS, N_TEXTS, WIDTH = 10_000, 25_000, 64

# Of Opacus' logistic regression, chosen on the development part at epsilon 3.
BATCH, EPOCHS, RATE = 1024, 20, 2.0


class Public:
    """What is known without the private reviews."""

    def __init__(self) -> None:
        self._texts = read("imdb/unsup").texts
        self._words: list[str] = []
        self._vectors = None

    @property
    def words(self) -> list[str]:
        from fastlstm.text.encoder import TextEncoder, TextOptions

        if not self._words:
            options = TextOptions(max_features=N_WORDS, max_length=None)
            encoder, _ = TextEncoder.learn(self._texts, options)
            self._words = list(encoder.vocabulary.tokens[2:])
        return self._words

    @property
    def vectors(self):
        from fastlstm import WordVectors

        if self._vectors is None:
            self._vectors = WordVectors.learn(self._texts[:N_TEXTS], size=WIDTH, min_count=5)
        return self._vectors


def of_fastlstm(settings: dict, epsilon: float, public: Public, train: Table):
    """A fitted classifier, and what it promises."""
    from fastlstm import LSTMSentimentClassifier

    given = dict(settings)
    if "vocabulary" in given:
        given["vocabulary"] = public.words
    if "word_vectors" in given:
        given |= {"word_vectors": public.vectors, "embedding_dim": WIDTH}
    clf = LSTMSentimentClassifier.private(epsilon, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf.fit(train.texts, train.labels)
    return clf.predict, clf.privacy_.epsilon


def of_opacus(epsilon: float, public: Public, train: Table):
    """The same of a logistic regression by Opacus."""
    import torch
    from opacus import PrivacyEngine
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import normalize

    words = CountVectorizer(vocabulary=public.words, binary=True, token_pattern=r"\w+|[^\w\s]")
    classes = np.unique(train.labels)

    def features(texts):
        return torch.from_numpy(normalize(words.transform(texts).astype(np.float32)).toarray())

    y = torch.from_numpy((train.labels == classes[1]).astype(np.float32))
    data = torch.utils.data.TensorDataset(features(train.texts), y)
    model = torch.nn.Linear(len(public.words), 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    engine = PrivacyEngine(accountant="prv")
    delta = len(y) ** -1.1
    model, optimizer, loader = engine.make_private_with_epsilon(
        module=model, optimizer=optimizer, max_grad_norm=1.0, target_epsilon=epsilon,
        target_delta=delta, epochs=EPOCHS,
        data_loader=torch.utils.data.DataLoader(data, batch_size=BATCH),
    )  # fmt: skip
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    for _ in range(EPOCHS):
        for x, target in loader:
            optimizer.zero_grad()
            loss(model(x)[:, 0], target).backward()
            optimizer.step()

    def predict(texts):
        with torch.no_grad():
            return classes[(model(features(texts))[:, 0].numpy() > 0).astype(int)]

    return predict, float(engine.get_epsilon(delta))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[3.0, 8.0])
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    path = RESULTS / f"private_accuracy{'_dev' if arguments.dev else ''}.json"
    result = {**description(), "epsilon": {}}
    if path.exists():
        result["epsilon"] = json.loads(path.read_text(encoding="utf-8"))["epsilon"]
    (train, scored), public = split("imdb", arguments.dev), Public()
    for epsilon in arguments.epsilon:
        of_epsilon = result["epsilon"].setdefault(f"{epsilon:g}", {})
        for row in arguments.rows:
            settings = ROWS[row]
            if settings is None and not find_spec("opacus"):
                continue
            for _ in range(arguments.seeds):
                started = time.perf_counter()
                if settings is None:
                    predict, promised = of_opacus(epsilon, public, train)
                else:
                    predict, promised = of_fastlstm(settings, epsilon, public, train)
                seconds = time.perf_counter() - started
                accuracy = float(np.mean(predict(scored.texts) == scored.labels))
                found = {"accuracy": accuracy, "promised": promised, "seconds": seconds}
                of_epsilon.setdefault(row, []).append(found)
                print(f"{epsilon:g}", row, found, flush=True)
                path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
