"""Training by noisy sums of clipped gradients (DP-SGD, Abadi et al. 2016).

Each step draws units by themselves. A first pass finds the norm of each document's gradient
(``network/norms.py``), a second one is an ordinary pass in which a document counts as much as
leaves its gradient within ``max_grad_norm``. Then every weight gets noise, the whole table of
vectors too, and the optimiser takes a step of all of them. What follows from the noisy sums alone
(moments, schedules, moving averages) tells no more than they do.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from fastlstm.core.options import Options
from fastlstm.core.records import PAD_ID
from fastlstm.data.batching import ACCUMULATORS
from fastlstm.network.layers.embedding import EmbeddingGradient
from fastlstm.privacy.noise import add_noise, streams
from fastlstm.training.engine import GradientEngine, MinibatchResult
from fastlstm.training.lanes import LabelledSequences, Minibatch

# A norm in float32 may be wrong by so much: gradients stay as far below the bound.
_ROUNDING = {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-9}


_NO_TABLE = np.empty((0, 0), np.float32)


class Plan(NamedTuple):
    """What noisy steps do.

    Attributes
    ----------
    unit : int64 array, shape (n_documents,)
        The unit of each document, from 0 on.
    n_units : int
    sampling_rate : float
        Probability of each unit to be drawn for a step.
    noise_multiplier : float
    max_grad_norm : float
    steps_an_epoch : int
    seed : int or None
        None draws from a cryptographic source.
    """

    unit: np.ndarray
    n_units: int
    sampling_rate: float
    noise_multiplier: float
    max_grad_norm: float
    steps_an_epoch: int
    seed: int | None = None

    def of_network(self, number: int) -> Plan:
        """The same with noise of its own, where that is repeatable."""
        return self if self.seed is None else self._replace(seed=self.seed + number)

    @property
    def expected(self) -> float:
        """Units of a step on average."""
        return self.n_units * self.sampling_rate


class NoisySums:
    """A Source of noisy gradients; see ``training.sources``.

    Parameters
    ----------
    plan : Plan
    engine : GradientEngine
    options : Options
    """

    # Losses are those of the documents.
    tells = False

    def __init__(self, plan: Plan, engine: GradientEngine, options: Options) -> None:
        self.plan, self.engine = plan, engine
        self.drawing, *self.streams = streams(1 + ACCUMULATORS, plan.seed)
        order = np.argsort(plan.unit, kind="stable")
        self._of_unit = np.split(order, np.cumsum(np.bincount(plan.unit, minlength=plan.n_units)))
        self._size = np.bincount(plan.unit, minlength=plan.n_units)
        self._table: np.ndarray | None = None

    def n_steps(self, train: LabelledSequences) -> int:
        return self.plan.steps_an_epoch

    def batches(self, train: LabelledSequences, rng: np.random.Generator) -> list[np.ndarray]:
        """Documents of the units of each step; a step may have none."""
        return [self._drawn(train) for _ in range(self.plan.steps_an_epoch)]

    def _drawn(self, train: LabelledSequences) -> np.ndarray:
        drawn = np.flatnonzero(self.drawing.random(self.plan.n_units) < self.plan.sampling_rate)
        if not len(drawn):
            return drawn
        rows: np.ndarray = np.concatenate([self._of_unit[unit] for unit in drawn])
        return rows[train.sequences.lengths_of(rows) > 0]

    def __call__(self, parameters, packed, data: LabelledSequences, rows, rng) -> MinibatchResult:
        """The noisy sum over the documents ``rows``, by the expected number of units."""
        engine, plan = self.engine, self.plan
        found = self._clipped(parameters, packed, data, rows) if len(rows) else None
        if found is None:
            engine.gradient.flat[:] = 0
        table = self._cleared(parameters.embedding if engine.trains_table else _NO_TABLE)
        deviation = plan.noise_multiplier * plan.max_grad_norm / plan.expected
        flat = engine.gradient.flat
        first, *others = self.streams
        parts = np.array_split(np.arange(len(table)), len(others))
        engine.pool.run([
            partial(add_noise, first, flat, deviation),
            *(partial(add_noise, stream, table[part[0] : part[-1] + 1], deviation)
              for stream, part in zip(others, parts, strict=True) if len(part)),
        ])  # fmt: skip
        if found is not None and engine.trains_table:
            table[found.ids] += found.values
        table[: PAD_ID + 1] = 0  # no document has it
        ids = np.arange(len(table), dtype=np.int32)
        norm = engine.k.squared_norm(flat) + engine.k.squared_norm(table.reshape(-1))
        return MinibatchResult(
            0.0, engine.gradient, EmbeddingGradient(ids, table), float(norm), 0.0, 0
        )

    def _cleared(self, embedding: np.ndarray) -> np.ndarray:
        if self._table is None:
            self._table = np.empty_like(embedding)
        self._table[:] = 0
        return self._table

    def _clipped(self, parameters, packed, data, rows) -> EmbeddingGradient | None:
        """Sums of the clipped gradients: of the table; the others are in the engine's memory."""
        engine, plan = self.engine, self.plan
        cut = engine.cut(data, rows, None)
        batch = Minibatch(parameters, packed, data, 1.0, engine.recompute)
        norms = engine.norms(batch, cut)
        bound = plan.max_grad_norm * (1 - _ROUNDING[np.dtype(engine.dtype)])
        weight = np.zeros_like(data.weight)
        shards = []
        for shard, norm in zip(cut.rows, norms, strict=True):
            # Nothing is known of a gradient that is not finite: such a document is left out.
            known = np.isfinite(norm)
            own, norm = shard[known], norm[known]
            if not len(own):
                continue
            factor = np.minimum(1, bound / np.maximum(norm, 1e-30)) / self._size[plan.unit[own]]
            if data.by_step:
                places = data.sequences.places(own)
                lengths = data.sequences.lengths_of(own)
                weight[places] = data.weight[places] * np.repeat(factor, lengths)
            else:
                weight[own] = data.weight[own] * factor
            shards.append(own)
        if not shards:
            return None
        noisy = batch._replace(data=data._replace(weight=weight), total=plan.expected)
        return engine.add_up(noisy, cut._replace(rows=shards)).embedding
