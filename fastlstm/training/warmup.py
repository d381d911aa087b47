"""Compile everything that training and prediction will call."""

from __future__ import annotations

import time

import numpy as np

from fastlstm.core.options import Options
from fastlstm.core.random import make_streams
from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.kernels.registry import load_backend
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import init_parameters
from fastlstm.network.predict import Network
from fastlstm.training.engine import LabelledSequences
from fastlstm.training.loop import Trainer, TrainingState
from fastlstm.vectors.learned import skip_gram

_DOCUMENTS, _TOKENS, _VOCABULARY = 4, 3, 8


def warmup(*, backend: str = "auto", precision: str = "float32") -> float:
    """Compile the kernels now, instead of in the first ``fit`` or ``predict``.

    Compiled code is kept in the cache folder (``$FASTLSTM_CACHE``), so that an
    image or container that ran this once starts at once afterwards.

    Parameters
    ----------
    backend : {"auto", "numba", "cython", "reference"}, default="auto"
    precision : {"float32", "bfloat16"}, default="float32"

    Returns
    -------
    seconds : float
        What it took: 10 to 60 to compile, well under one to load from the cache.

    Raises
    ------
    BackendError
        If the backend or the precision is not available on this machine.
    """
    started = time.perf_counter()
    k = load_backend(backend)
    config = ModelConfig(
        _VOCABULARY, embedding_dim=2, hidden_size=2, num_layers=2, pooling="mean_max",
        dropout=0.5, embedding_dropout=0.5, n_ngrams=1, segment_length=2,
    )  # fmt: skip
    ids = np.arange(_DOCUMENTS * _TOKENS, dtype=np.int32) % (_VOCABULARY - 1) + 1
    offsets = np.arange(_DOCUMENTS + 1, dtype=np.int64) * _TOKENS
    data = LabelledSequences(
        TokenSequences(ids, offsets), np.arange(_DOCUMENTS) % 2, np.ones(_DOCUMENTS)
    )
    parents = np.array([1], dtype=np.int32)
    for optimizer, pooling in (("sgd", "attention"), ("adam", "mean_max")):
        config = config._replace(pooling=pooling)
        streams = make_streams(0)
        parameters = init_parameters(config, streams, parents=parents)
        state = TrainingState(parameters, streams.training)
        options = Options(optimizer=optimizer, batch_size=_DOCUMENTS, max_epochs=1)
        with ShardPool(2, k) as pool:
            Trainer(k, config, state, options, pool, precision=precision).run(data, data)
    skip_gram(k, data.sequences, _VOCABULARY, 2, np.random.default_rng(0))
    prior = np.array([0.5, 0.5])
    predicting = Network(k, config, state.parameters, precision)
    for _ in range(2):  # with the projection of distinct tokens, then of the vocabulary
        predicting.logits(data.sequences, prior)
    return time.perf_counter() - started
