"""The cases of the comparison as data, and the documents, labels and weights they use.

Everything is drawn from a seed, so each library gets the same token ids, labels,
minibatches and first weights. Token id 0 is padding and 1 stands for unknown words;
documents hold ids from 2 on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

SEED = 0
FIRST_ID = 2

# Minibatches that are sorted by length together, as fastlstm does it.
_BUCKET_BATCHES = 50
_SAMPLE_DOCUMENTS = 32
_LENGTHS = Path(__file__).parent / "review_lengths.json"

_TORCH_DENSE = ("torch_padded", "torch_padded_sparse")
# Packed, the backward pass of PyTorch takes time with the square of the steps: it fills
# an array of the whole minibatch for each step. SparseAdam makes no difference then.
_TORCH_PACKED = ("torch_packed", "torch_packed_sparse")
_TORCH_BF16 = ("torch_bf16", "torch_bf16_sparse")


@dataclass(frozen=True)
class Case:
    """One network, its documents and the libraries that run it.

    Attributes
    ----------
    name : str
    kind : str
        "training", "inference", "one_document" or "whole_job".
    libraries : tuple of str
        Keys of ``peers.LIBRARIES``; the first is what the others are compared with.
    vocabulary, embedding, hidden, layers : int
    bidirectional : bool
        Pooling is "last": the last output, in reverse the first.
    batch : int
        Documents in a minibatch.
    documents : int
        Documents of one timed round.
    shortest, longest : int
        Lengths are drawn uniformly from this range, both ends included.
    review_lengths : bool
        Draw lengths from those of real reviews instead, cut at ``longest``.
    zipf : bool
        Draw words with a chance of about 1 / rank, as in real text, not uniformly.
    bucketed : bool
        Minibatches hold documents of similar length; else any.
    pad_to : int
        Length that libraries with padding pad to; 0 is a minibatch's longest.
    documents_in_call : int
        Documents of one call in inference; 0 is all of them.
    learning_rate : float
    most_rounds : int
    most_seconds : float
        Libraries that take much longer end a round here and begin the next one with
        the following minibatch.
    """

    name: str
    kind: str
    libraries: tuple[str, ...]
    vocabulary: int = 20_000
    embedding: int = 64
    hidden: int = 128
    layers: int = 1
    bidirectional: bool = False
    batch: int = 32
    documents: int = 1600
    shortest: int = 100
    longest: int = 100
    review_lengths: bool = False
    zipf: bool = False
    bucketed: bool = True
    pad_to: int = 0
    documents_in_call: int = 0
    learning_rate: float = 1e-3
    most_rounds: int = 100
    most_seconds: float = 10.0

    @property
    def directions(self) -> tuple[str, ...]:
        return ("forward", "reverse") if self.bidirectional else ("forward",)

    @property
    def fixed_length(self) -> bool:
        return self.shortest == self.longest and not self.review_lengths

    def gflop_per_token(self) -> float:
        """Multiply-adds of the LSTM layers, each counted as two, in 10^9 a token.

        Training counts three times the forward pass: forward, gradients of inputs
        and states, gradients of weights.
        """
        total, inputs = 0, self.embedding
        for _ in range(self.layers):
            total += len(self.directions) * 2 * 4 * self.hidden * (inputs + self.hidden)
            inputs = len(self.directions) * self.hidden
        return (3 if self.kind == "training" else 1) * total / 1e9


CASES = {
    case.name: case
    for case in (
        Case(
            "seed", "training",
            ("fastlstm", "fastlstm_bf16", *_TORCH_DENSE, *_TORCH_BF16, "keras", "keras_xla",
             "numpy"),
            layers=2,
        ),
        Case(
            "seed_inference", "inference",
            ("fastlstm", "fastlstm_bf16", "fastlstm_int8", "torch_padded", "torch_bf16",
             "torch_bf16_weights", "keras", "keras_xla", "onnx", "onnx_int8"),
            layers=2, documents=3200,
        ),
        Case(
            "reviews", "training",
            ("fastlstm", "fastlstm_bf16", *_TORCH_DENSE, "torch_packed", *_TORCH_BF16, "keras"),
            vocabulary=30_000, bidirectional=True, batch=64, documents=3200, longest=400,
            review_lengths=True, zipf=True,
        ),
        Case(
            "long_pad", "training",
            ("fastlstm", "fastlstm_bf16", *_TORCH_DENSE, "torch_packed", *_TORCH_BF16, "keras",
             "keras_xla"),
            vocabulary=10_000, embedding=32, hidden=100, batch=256, documents=2048,
            shortest=50, longest=500, bucketed=False, pad_to=500,
        ),
        Case(
            "tweets", "training",
            ("fastlstm", "fastlstm_bf16", *_TORCH_DENSE, *_TORCH_PACKED, *_TORCH_BF16, "keras"),
            vocabulary=10_000, hidden=64, bidirectional=True, documents=9600,
            shortest=5, longest=31, zipf=True,
        ),
        Case(
            "one_document", "one_document",
            ("fastlstm", "fastlstm_int8", "onnx", "onnx_int8", "torch_one_thread",
             "torch_two_threads", "keras_predict", "keras_call"),
            layers=2, documents=300, shortest=20, longest=400,
        ),
        Case("whole_job", "whole_job", ("fastlstm", "tfidf"), documents=0, most_rounds=3),
    )
}  # fmt: skip


def quick(case: Case) -> Case:
    """The case with a few documents, to see whether everything runs."""
    documents = 20 if case.kind == "one_document" else 3 * case.batch
    if case.kind == "whole_job":
        documents = 400
    smaller = min(documents, case.documents or documents)
    return replace(case, documents=smaller, most_rounds=1, most_seconds=1.0)


class Data(NamedTuple):
    """What the libraries get.

    Attributes
    ----------
    ids : int32 array, shape (n_tokens,)
        Document ``d`` is ``ids[offsets[d]:offsets[d + 1]]``.
    offsets : int64 array, shape (n_documents + 1,)
    labels : int64 array, shape (n_documents,), of 0 and 1
    batches : list of int64 arrays
        Rows of each minibatch, longest document first.
    sample : int64 array, shape (n_sample,)
        Documents whose outputs are compared, of all lengths.
    weights : dict of str -> float32 array
        ``embedding`` (vocabulary, embedding); ``lstm.<layer>.<direction>.w_x`` (inputs,
        4 * hidden), ``.w_h`` (hidden, 4 * hidden) and ``.b`` (4 * hidden), gates
        [i | f | g | o]; ``dense.w`` (outputs of the last layer, 1) and ``dense.b`` (1).
    """

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    batches: list[np.ndarray]
    sample: np.ndarray
    weights: dict[str, np.ndarray]

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each document, int64, shape (n_documents,)."""
        return np.diff(self.offsets)

    @property
    def n_tokens(self) -> int:
        return int(self.offsets[-1])

    def padded(self, rows=None, width: int = 0) -> np.ndarray:
        """Documents with zeros behind them, int64, shape (n_rows, width).

        ``rows`` None is all documents; ``width`` 0 is the length of the longest.
        """
        rows = np.arange(len(self.labels)) if rows is None else np.asarray(rows)
        lengths = self.lengths[rows]
        out = np.zeros((len(rows), width or int(lengths.max())), np.int64)
        for line, row in zip(out, rows, strict=True):
            document = self.ids[self.offsets[row] : self.offsets[row + 1]]
            line[: len(document)] = document
        return out


def make_data(case: Case, seed: int = SEED) -> Data:
    """Documents, labels, minibatches and first weights of a case."""
    rng = np.random.default_rng(seed)
    lengths = _draw_lengths(case, rng)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = _draw_ids(case, rng, int(offsets[-1]))
    labels = _labels(ids, offsets)
    batches = _minibatches(lengths, case, rng)
    by_length = np.argsort(lengths, kind="stable")
    places = np.linspace(0, len(lengths) - 1, min(_SAMPLE_DOCUMENTS, len(lengths)))
    sample = by_length[places.round().astype(np.int64)][::-1].copy()
    return Data(ids, offsets, labels, batches, sample, first_weights(case, rng))


def _draw_lengths(case, rng):
    if case.review_lengths:
        quantiles = json.loads(_LENGTHS.read_text(encoding="utf-8"))["quantiles"]
        at = rng.random(case.documents) * (len(quantiles) - 1)
        lengths = np.interp(at, np.arange(len(quantiles)), quantiles).round().astype(np.int64)
        return np.minimum(lengths, case.longest)
    return rng.integers(case.shortest, case.longest + 1, size=case.documents)


def _draw_ids(case, rng, n):
    words = case.vocabulary - FIRST_ID
    if not case.zipf:
        return rng.integers(FIRST_ID, case.vocabulary, size=n, dtype=np.int32)
    # Mandelbrot's form of Zipf's law; a word's rank is its id.
    chances = np.cumsum(1.0 / (np.arange(words) + 2.7))
    ranks = np.searchsorted(chances, rng.random(n) * chances[-1], side="right")
    return (FIRST_ID + np.minimum(ranks, words - 1)).astype(np.int32)


def _labels(ids, offsets):
    """1 where a document's mean id is above that of half the documents."""
    means = np.add.reduceat(ids.astype(np.float64), offsets[:-1]) / np.diff(offsets)
    return (means > np.median(means)).astype(np.int64)


def _minibatches(lengths, case, rng):
    rows = rng.permutation(len(lengths))
    bucket = case.batch * (_BUCKET_BATCHES if case.bucketed else 1)
    batches = []
    for first in range(0, len(rows), bucket):
        part = rows[first : first + bucket]
        part = part[np.argsort(-lengths[part], kind="stable")]
        batches += [part[at : at + case.batch] for at in range(0, len(part), case.batch)]
    return [batches[i] for i in rng.permutation(len(batches))]


def first_weights(case: Case, rng) -> dict[str, np.ndarray]:
    """Weights large enough that the documents' probabilities differ well.

    With an ordinary start all of them lie near 1/2 and a mistake would not show.
    """
    table = rng.uniform(-0.5, 0.5, (case.vocabulary, case.embedding))
    table[0] = 0
    weights = {"embedding": table}
    inputs = case.embedding
    for layer in range(case.layers):
        for direction in case.directions:
            prefix, gates = f"lstm.{layer}.{direction}", 4 * case.hidden
            limit = np.sqrt(6.0 / (inputs + case.hidden))
            weights[f"{prefix}.w_x"] = rng.uniform(-limit, limit, (inputs, gates))
            limit = np.sqrt(1.0 / case.hidden)
            weights[f"{prefix}.w_h"] = rng.uniform(-limit, limit, (case.hidden, gates))
            bias = np.zeros(gates)
            bias[case.hidden : 2 * case.hidden] = 1
            weights[f"{prefix}.b"] = bias
        inputs = len(case.directions) * case.hidden
    limit = np.sqrt(6.0 / (inputs + 1))
    weights["dense.w"] = rng.uniform(-limit, limit, (inputs, 1))
    weights["dense.b"] = np.zeros(1)
    return {name: np.ascontiguousarray(w, np.float32) for name, w in weights.items()}


def save_data(path, case: Case, data: Data) -> None:
    """Write case and data to one .npz file."""
    sizes = np.array([len(rows) for rows in data.batches], np.int64)
    np.savez(
        path, case=json.dumps(asdict(case)), ids=data.ids, offsets=data.offsets,
        labels=data.labels, rows=np.concatenate(data.batches), sizes=sizes, sample=data.sample,
        **{f"weights.{name}": w for name, w in data.weights.items()},
    )  # fmt: skip


def load_data(path) -> tuple[Case, Data]:
    """Read what ``save_data`` wrote."""
    with np.load(path) as saved:
        settings = json.loads(str(saved["case"]))
        settings["libraries"] = tuple(settings["libraries"])
        batches = np.split(saved["rows"], np.cumsum(saved["sizes"])[:-1])
        weights = {n.split(".", 1)[1]: saved[n] for n in saved.files if n.startswith("weights.")}
        data = Data(
            saved["ids"], saved["offsets"], saved["labels"], batches, saved["sample"], weights
        )
    return Case(**settings), data


def text_of(ids) -> str:
    """A document as text: the word of token id 7 is "w7"."""
    return " ".join(f"w{number}" for number in ids)


def words(case: Case) -> dict[str, int]:
    """Token id of each word of ``text_of``."""
    return {f"w{number}": number for number in range(FIRST_ID, case.vocabulary)}
