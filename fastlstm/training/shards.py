"""Minibatch gradients from shards; the only place in the package with threads.

Kernels release the GIL, so plain threads suffice. The number of threads changes
who computes a shard, never what is computed: shards are cut by the minibatch
alone and summed in their order.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

import numpy as np

from fastlstm import model as network
from fastlstm.core.records import TokenSequences
from fastlstm.core.workspace import Workspace
from fastlstm.data.batching import pack, split_shards
from fastlstm.layers import embedding
from fastlstm.losses import loss_for, predicted_class


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _inside_joblib_worker() -> bool:
    """Whether joblib already runs this process or thread as one of several workers."""
    joblib = sys.modules.get("joblib")
    if joblib is None:
        return False
    import multiprocessing

    process = multiprocessing.current_process()
    if process.daemon or type(process).__name__ == "LokyProcess" or "Loky" in process.name:
        return True
    backend = joblib.parallel.get_active_backend()[0]
    return getattr(backend, "nesting_level", 0) > 0


def effective_n_jobs(n_jobs: int | None) -> int:
    """Number of threads for an ``n_jobs`` parameter.

    None is every usable core, or 1 inside a joblib worker, where other workers
    already use the cores. Negative numbers count back from the usable cores, as
    in joblib: -1 is all of them, -2 all but one.
    """
    if n_jobs == 0:
        raise ValueError("n_jobs=0 has no meaning; use a positive number, -1 or None.")
    if n_jobs is None:
        return 1 if _inside_joblib_worker() else usable_cores()
    if n_jobs < 0:
        return max(1, usable_cores() + 1 + n_jobs)
    return max(1, n_jobs)


class ShardPool:
    """Threads that share out a list of calls; the caller takes part.

    Made for one ``fit`` or ``predict`` and closed after it, so nothing outlives
    the call, and a forked child has no dead threads to wait for.
    """

    def __init__(self, n_threads: int):
        self.n_threads = n_threads
        self._executor = ThreadPoolExecutor(n_threads - 1) if n_threads > 1 else None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self._executor is not None:
            self._executor.shutdown()

    def map(self, function: Callable, items: Iterable) -> list:
        """``[function(item) for item in items]``, spread over the threads."""
        items = list(items)
        helpers = min(self.n_threads, len(items)) - 1
        if helpers < 1:
            return [function(item) for item in items]
        results = [None] * len(items)
        waiting = deque(enumerate(items))

        def drain():
            while True:
                try:
                    position, item = waiting.popleft()
                except IndexError:
                    return
                try:
                    results[position] = function(item)
                except BaseException:
                    waiting.clear()
                    raise

        futures = [self._executor.submit(drain) for _ in range(helpers)]
        try:
            drain()
        finally:
            waiting.clear()
            wait(futures)  # no call may still run once this one is over
        for future in futures:
            future.result()
        return results


class LabelledSequences(NamedTuple):
    """Documents with what they should be classified as.

    Attributes
    ----------
    sequences : TokenSequences
    y : int64 array, shape (n_documents,)
        Class indices.
    weight : float64 array, shape (n_documents,)
    """

    sequences: TokenSequences
    y: np.ndarray
    weight: np.ndarray


class MinibatchResult(NamedTuple):
    """Loss of a minibatch, its gradients, and how much was right.

    Attributes
    ----------
    loss : float
        Sum of weighted losses over the number of documents and the mean weight.
    dense : Parameters
    embedding : EmbeddingGradient
    correct : float
        Weighted share of documents classified right, normalised as the loss is.
    n_tokens : int
    """

    loss: float
    dense: network.Parameters
    embedding: embedding.EmbeddingGradient
    correct: float
    n_tokens: int


class GradientEngine:
    """Loss and gradients of minibatches, with memory that is kept between them."""

    def __init__(self, k, config: network.ModelConfig, pool: ShardPool, dtype=np.float32):
        self.k = k
        self.config = config
        self.pool = pool
        self.dtype = dtype
        self.loss = loss_for(config.n_outputs)
        self.gradient = network.Parameters.zeros(config, dtype)
        self.tasks = network.gradient_tasks(config)
        self._merge = Workspace(dtype)
        self._workspaces = []

    def __call__(self, parameters, packed, data: LabelledSequences, rows, rng):
        """One minibatch.

        Parameters
        ----------
        parameters : Parameters
        packed : PackedModel
            ``parameters`` in the backend's layout.
        data : LabelledSequences
        rows : int64 array
            The minibatch's documents, none empty.
        rng : numpy.random.Generator or None
            Source of dropout masks; None trains without dropout.

        Returns
        -------
        MinibatchResult
            Its gradients are valid until the next call.
        """
        shards = split_shards(data.sequences.lengths, rows)
        while len(self._workspaces) < len(shards):
            self._workspaces.append(Workspace(self.dtype))
        # The mean over all documents, not over the minibatch: a weight must count in
        # a minibatch of one, too.
        total = len(rows) * float(data.weight.mean()) or 1.0
        keys = [None] * len(shards)
        if rng is not None and (self.config.dropout or self.config.embedding_dropout):
            shape = (len(shards), network.n_dropout_keys(self.config))
            keys = list(rng.integers(0, 2**32, size=shape))

        def sweep(number):
            return self._shard(
                parameters, packed, data, shards[number], total, keys[number],
                self._workspaces[number],
            )  # fmt: skip

        done = self.pool.map(sweep, range(len(shards)))
        gradients = [gradient for gradient, _, _, _ in done]
        small = sum(tokens for *_, tokens in done) < 256
        run = map if small else self.pool.map
        for _ in run(lambda task: self._reduce(gradients, task), self.tasks):
            pass
        merged = embedding.merge(
            self.k, self._merge, [g.embedding for g in gradients], self.config.vocabulary_size
        )
        return MinibatchResult(
            sum(loss for _, loss, _, _ in done),
            self.gradient,
            merged,
            sum(correct for _, _, correct, _ in done),
            sum(tokens for *_, tokens in done),
        )

    def _shard(self, parameters, packed, data, rows, total, keys, work):
        batch = pack(data.sequences, rows)
        k, config = self.k, self.config
        y, weight = data.y[batch.rows], data.weight[batch.rows] / total
        # Training that explodes is noticed and reported by the loop.
        with np.errstate(over="ignore", invalid="ignore"):
            logits, state = network.forward(
                k, work, config, parameters.embedding, packed, batch, keys
            )
            loss, d_logits = self.loss(logits, y, weight)
            gradient = network.backward(k, work, config, packed, state, d_logits)
        correct = float(np.sum(weight * (predicted_class(logits) == y)))
        return gradient, loss, correct, batch.n_tokens

    def _reduce(self, gradients, task):
        network.weight_gradient(self.k, self.config, gradients, task, self.gradient)
