"""The parameters of networks and of their training: names and defaults, in one table."""

from __future__ import annotations

from typing import NamedTuple


class Options(NamedTuple):
    """What a fit needs to know, under the estimators' names; they say what each means.

    The defaults are those of ``LSTMClassifier``, and of anything that trains a network.
    """

    embedding_dim: int = 64
    hidden_size: int = 64
    num_layers: int = 1
    bidirectional: bool = True
    cell: str = "lstm"
    forget_bias: float = 1.0
    pooling: str = "max"
    dropout: float = 0.5
    embedding_dropout: float = 0.5
    token_dropout: float = 0.0
    ngrams: int = 1
    max_ngrams: int | None = 100_000
    ngram_dropout: float = 0.3
    segment_length: int | None = None
    segment_state: str = "fresh"
    recompute: bool | str = "auto"
    average_decay: float = 0.0
    word_vectors: object = None
    train_vectors: bool = True
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    learning_rate_schedule: str = "linear"
    warmup_fraction: float = 0.05
    max_grad_norm: float | None = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.01
    batch_size: int = 32
    max_epochs: int | str = "auto"
    early_stopping: bool = True
    validation_fraction: float = 0.1
    n_estimators: int = 1
    n_iter_no_change: int = 3
    calibrate: bool = False
    targets: str = "documents"
    step_dropout: float = 0.0
    n_jobs: int | None = None
    verbose: int = 0
    backend: str = "auto"
    precision: str = "float32"


OF_IDS = Options()

# ``LSTMSentimentClassifier``: chosen on development splits of English and Chinese reviews.
OF_TEXTS = Options(
    embedding_dim=128,
    pooling="auto",
    embedding_dropout=0.4,
    token_dropout=0.2,
    ngrams=2,
    segment_length=100,
    segment_state="auto",
    average_decay=0.995,
    word_vectors="skipgram",
    batch_size=64,
    early_stopping=False,
    n_estimators=3,
    calibrate=True,
)
