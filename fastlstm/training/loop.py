"""The training loop: epochs, validation, early stopping, and what ends it early."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from fastlstm.core.errors import NonFiniteLossWarning
from fastlstm.core.options import Options
from fastlstm.core.records import UNK_ID
from fastlstm.core.threads import ShardPool, Turns
from fastlstm.core.versions import Ledger, Version
from fastlstm.kernels import whole_lanes
from fastlstm.network.losses import class_of, loss_for, predicted_class
from fastlstm.network.parameters import Parameters, pack_model, repack
from fastlstm.network.predict import predict_logits
from fastlstm.training.averaging import WeightAverage
from fastlstm.training.blocks import block_of
from fastlstm.training.callbacks import Callback
from fastlstm.training.engine import GradientEngine, LabelledSequences
from fastlstm.training.history import EpochRecord, History
from fastlstm.training.interrupts import NO_GUARD, Guard
from fastlstm.training.masking import drop_steps, mask, occurs_once
from fastlstm.training.optim.optimizers import clip_factor, make_optimizer
from fastlstm.training.optim.schedules import make_schedule
from fastlstm.training.rollback import Rollback
from fastlstm.training.sources import Minibatches, Source

# Rows of the embedding that one task updates.
_ROWS_AT_ONCE = 1024

# Steps between marks at weights that gave a finite loss.
_KEEP_EVERY = 100

# Steps after which another network may take its turn: long beside what it brings into the
# caches, and short beside a training.
_STEPS_A_TURN = 50


@dataclass
class TrainingState:
    """Everything that training changes, so that it can go on later.

    Attributes
    ----------
    parameters : Parameters
    slots : tuple or None
        Optimiser state of the dense weights and of the embedding.
    slots_of : str
        Optimiser that the slots belong to; another one begins with its own.
    step : int
        Updates that the slots have seen.
    rng : numpy.random.Generator
        Order of minibatches and dropout masks.
    history : History
    stopped_by : str
        "max_epochs", "early_stopping", "interrupt" or "non_finite_loss".
    table : Version or None
        Of the embedding, after ``partial_fit``; pickles and deep copies do without.
    moments : Ledger or None
        Of the embedding's slots, after ``partial_fit``: ``slots`` has none of them then.
    """

    parameters: Parameters
    rng: np.random.Generator
    slots: tuple | None = None
    slots_of: str = ""
    step: int = 0
    history: History = field(default_factory=History)
    stopped_by: str = "max_epochs"
    table: Version | None = None
    moments: Ledger | None = None

    def __getstate__(self):
        return {**vars(self), "table": None}

    def __setstate__(self, state):
        # That of an older version has a list.
        vars(self).update(state, history=History(state["history"]))


class Best:
    """The best epoch so far by validation accuracy, ties by validation loss.

    Parameters
    ----------
    patience : int
        Epochs without a better one after which ``offer`` says so.
    beginning : float
        Accuracy of saying the most frequent class. Until it is exceeded, epochs count as better
        while the loss falls: the network has only begun to learn.
    """

    def __init__(self, patience: int, beginning: float = 0.0):
        self.patience, self.beginning = patience, beginning
        self.lowest = math.inf
        self.score: tuple[float, float] | None = None
        self.parameters: Parameters | None = None
        self.waited = 0

    def offer(self, record: EpochRecord, parameters: Parameters) -> bool:
        """Take note of an epoch; True when ``patience`` epochs brought nothing better."""
        score = (record["val_accuracy"], -record["val_loss"])
        if self.score is None or score > self.score:
            self.lowest = min(self.lowest, record["val_loss"])
            self.score, self.parameters, self.waited = score, parameters.copy(), 0
            return False
        begins = self.score[0] <= self.beginning and record["val_loss"] < self.lowest
        self.lowest = min(self.lowest, record["val_loss"])
        self.waited = 0 if begins else self.waited + 1
        return self.waited >= self.patience


class Trainer:
    """Runs epochs for one ``fit`` call.

    Parameters
    ----------
    k : Kernels
    config : ModelConfig
    state : TrainingState
        Changed in place.
    options : Options
        With a number for ``max_epochs``.
    pool : ShardPool
    callbacks : list of Callback
    precision : {"float32", "bfloat16"}
        Of the LSTM's matrix products; weights and their updates are float32.
    unknown_share : float
        Of the tokens that occur once, read as unknown, others in each epoch.
    engine : GradientEngine or None
        One of the same pool and shape, whose memory this training takes over.
    source : callable or None
        ``source(engine, options)`` is a Source; None takes minibatches of documents.
    """

    def __init__(
        self, k, config, state, options: Options, pool, callbacks=(), precision="float32",
        unknown_share=0.0, engine=None, source=None,
    ):  # fmt: skip
        self.k, self.config, self.state, self.options = k, config, state, options
        self.unknown_share = unknown_share
        self.pool: ShardPool = pool
        self.callbacks: list[Callback] = list(callbacks)
        parameters = state.parameters
        self.engine = engine or GradientEngine(k, config, pool, parameters.flat.dtype)
        self.engine.recompute = options.recompute
        self.engine.trains_table = bool(options.train_vectors)
        self.source: Source = (source or Minibatches)(self.engine, options)
        self.optimizer = make_optimizer(
            options.optimizer, momentum=options.momentum, weight_decay=options.weight_decay
        )
        if state.slots_of != options.optimizer:
            self._reset_slots()
        self.precision = precision
        self.packed = pack_model(k, config, parameters, precision, training=True)
        self.steps = Rollback(k, parameters, state.moments.note if state.moments else None)
        self._rare: np.ndarray | None = None  # positions of tokens that occur once
        self._blocks: list[whole_lanes.Block] = []
        self._average: WeightAverage | None = None
        if options.average_decay:
            self._average = WeightAverage(k, parameters, options.average_decay)

    def run(
        self, train: LabelledSequences, valid: LabelledSequences | None, guard: Guard = NO_GUARD
    ) -> None:
        """Train for up to ``max_epochs``; with early stopping end at the best one.

        Without ``early_stopping`` validation data is measured and changes nothing. What
        ``guard`` asks for, which the caller has entered, happens after the current step.
        """
        for _ in self.turns(train, valid, guard):
            pass

    def turns(
        self, train: LabelledSequences, valid: LabelledSequences | None, guard: Guard = NO_GUARD
    ) -> Turns[None]:
        """As ``run``, with pauses in which another training may take its turn."""
        options, state = self.options, self.state
        n_epochs = int(options.max_epochs)
        n_steps = self.source.n_steps(train)
        schedule = make_schedule(
            options.learning_rate_schedule, n_steps * n_epochs, options.warmup_fraction
        )
        best = None
        if valid is not None and options.early_stopping:
            best = Best(options.n_iter_no_change or n_epochs, of_most_frequent(valid))
        first_step, first_epoch = state.step, len(state.history)
        if self.unknown_share:
            self._rare = occurs_once(train.sequences.ids, state.parameters.parents, self._n_tokens)
        state.stopped_by = "max_epochs"
        self._blocks = self._blocks_of()
        self._tell("on_train_begin", n_epochs, n_steps)
        try:
            for epoch in range(1, n_epochs + 1):
                unread = epoch == n_epochs and valid is None and self._average is None
                record = yield from self._epoch(epoch, train, schedule, first_step, guard, unread)
                if record is not None and valid is not None:
                    self._validate(record, valid)
                if record is None or not self._is_finite(record):
                    self._back_to_good_weights()
                    break
                record["epoch"] = first_epoch + epoch
                state.history = state.history.plus(record)
                self._tell("on_epoch_end", record)
                if best is not None and best.offer(record, self._predicting()):
                    state.stopped_by = "early_stopping"
                    break
                if guard.requested:
                    state.stopped_by = "interrupt"
                    break
        finally:
            self._tell("on_train_end")
        if best is not None and best.parameters is not None:
            self._restore(best.parameters)
        elif self._average is not None and state.stopped_by != "non_finite_loss":
            self._restore(self._average.parameters)

    def _epoch(
        self, epoch, train, schedule, first_step, guard, unread
    ) -> Turns[EpochRecord | None]:
        """One pass over the documents; None when the loss was not finite.

        With ``unread`` nobody reads packed weights after it.
        """
        started, seconds = time.perf_counter(), 0.0
        state = self.state
        loss, correct, tokens, labels, rate = 0.0, 0.0, 0, 0, 0.0
        train = self._masked(train)
        batches = self.source.batches(train, state.rng)
        for number, rows in enumerate(batches, start=1):
            result = self.source(state.parameters, self.packed, train, rows, state.rng)
            norm = result.squared_norm
            if not (np.isfinite(result.loss) and np.isfinite(norm)):
                self._warn_non_finite(f"the loss was not finite in epoch {epoch}, batch {number}")
                return None
            if number % _KEEP_EVERY == 1:
                self.steps.mark()
            rate = self.options.learning_rate * schedule(state.step - first_step + 1)
            scale = clip_factor(norm, self.options.max_grad_norm)
            self._update(result, rate, scale, not (unread and number == len(batches)))
            n_labels = train.n_labels(rows)
            loss += result.loss * n_labels
            correct += result.correct * n_labels
            labels += n_labels
            tokens += result.n_tokens
            self._tell("on_step_end", epoch, number, result.loss if self.source.tells else math.nan)
            if guard.requested:
                break
            if number % _STEPS_A_TURN == 0:
                seconds += time.perf_counter() - started
                yield
                started = time.perf_counter()
        if self._average is not None:
            self._average.finish(state.parameters, self.pool.map)
        seconds += time.perf_counter() - started
        record = EpochRecord(epoch=epoch, learning_rate=rate, seconds=seconds)
        if self.source.tells:
            record["loss"], record["accuracy"] = loss / max(1, labels), correct / max(1, labels)
            record["tokens_per_second"] = tokens / seconds
        return record

    @property
    def _n_tokens(self) -> int:
        return self.config.vocabulary_size - self.config.n_ngrams

    def _masked(self, train: LabelledSequences) -> LabelledSequences:
        """The documents with what this epoch does not see replaced."""
        options, sequences = self.options, train.sequences
        if options.step_dropout and sequences.features is not None:
            sequences = drop_steps(
                sequences, self.config.n_gaps, options.step_dropout, self.state.rng
            )
            train = train._replace(sequences=sequences)
        if self._n_tokens <= UNK_ID:  # the table has no row of the unknown token
            return train
        ids = mask(
            sequences.ids, self.state.parameters.parents, self._n_tokens, self.state.rng,
            ngram_rate=options.ngram_dropout, token_rate=options.token_dropout,
            rare=self._rare, rare_rate=self.unknown_share,
        )  # fmt: skip
        return train._replace(sequences=sequences._replace(ids=ids))

    def _predicting(self) -> Parameters:
        """The weights that predict: their moving average, where there is one."""
        return self.state.parameters if self._average is None else self._average.parameters

    def _blocks_of(self) -> list[whole_lanes.Block]:
        """Steps of the weights that training begins with, block by block."""
        parameters, slots = self.state.parameters, self.state.slots
        assert slots is not None
        blocks = []
        for name in self.engine.weight_blocks:
            where = parameters.where(name)
            blocks.append(block_of(
                self.k, self.optimizer.kernel, parameters.flat[where],
                list(parameters.block(name).values()), self.packed.block(name),
                self.engine.gradient.flat[where], [slot[0, where] for slot in slots[0]],
                self._average.parameters.flat[where] if self._average is not None else None,
            ))  # fmt: skip
        return blocks

    def _update(self, result, rate, scale, repacks) -> None:
        """One step of the optimiser, in parts that threads share out, and packed weights."""
        state, average = self.state, self._average
        state.step += 1
        parameters = state.parameters
        self.steps.before(result.embedding.ids)
        share = 0.0 if average is None else average.share
        factors = self.optimizer.factors(state.step, rate, scale)

        def rows_of_the_embedding(part):
            rows, values = result.embedding.ids[part], result.embedding.values[part]
            if average is not None:
                average.before(parameters, rows)
            self.optimizer.update(
                self.k, parameters.embedding, rows, values, state.slots[1], state.step, rate,
                scale,
            )  # fmt: skip

        parts = [
            *(partial(block, factors, repacks, share) for block in self._blocks),
            *(partial(rows_of_the_embedding, slice(first, first + _ROWS_AT_ONCE))
              for first in range(0, len(result.embedding.ids), _ROWS_AT_ONCE)),
        ]  # fmt: skip
        self.pool.run(parts)
        if average is not None:
            average.count()

    def _validate(self, record: EpochRecord, valid: LabelledSequences) -> None:
        started = time.perf_counter()
        packed = self.packed
        if self._average is not None:
            packed = pack_model(
                self.k, self.config, self._average.parameters, self.precision, training=True
            )
        loss, accuracy = evaluate(self.k, self.config, self._predicting(), packed, valid, self.pool)
        record["val_loss"], record["val_accuracy"] = loss, accuracy
        record["seconds"] += time.perf_counter() - started

    def _restore(self, parameters: Parameters) -> None:
        self.state.parameters = parameters
        for block in self.engine.weight_blocks:
            repack(self.k, self.packed, parameters, block)

    def _is_finite(self, record: EpochRecord) -> bool:
        """Whether the weights, which the last step changed, and their validation are finite."""
        parameters = self.state.parameters
        norm = self.k.squared_norm(parameters.flat)
        rows = np.flatnonzero(self.steps.touched)
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            part = parameters.embedding[rows[first : first + _ROWS_AT_ONCE]]
            norm += self.k.squared_norm(part.ravel())
        if np.isfinite(norm) and np.isfinite(record.get("val_loss", 0.0)):
            return True
        self._warn_non_finite(f"weights or loss were not finite after epoch {record['epoch']}")
        return False

    def _warn_non_finite(self, what) -> None:
        warnings.warn(
            f"{what}: training stopped and the last good weights are kept. Lower learning_rate "
            f"(now {self.options.learning_rate:g}) or max_grad_norm.",
            NonFiniteLossWarning,
            stacklevel=2,
        )

    def _back_to_good_weights(self) -> None:
        """Undo the epoch that failed; moments that saw its gradients begin anew."""
        state = self.state
        state.stopped_by = "non_finite_loss"
        self.steps.undo()
        self._restore(state.parameters)
        state.slots, state.slots_of, state.step = None, "", 0

    def _reset_slots(self) -> None:
        parameters = self.state.parameters
        self.state.step = 0
        self.state.slots_of = self.options.optimizer
        self.state.slots = (
            self.optimizer.init(parameters.flat[None]),
            self.optimizer.init(parameters.embedding),
        )

    def _tell(self, hook: str, *arguments) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)


def of_most_frequent(data: LabelledSequences) -> float:
    """Weighted share of the labels that are the most frequent class."""
    counts = np.bincount(class_of(data.y), weights=data.weight)
    total = float(counts.sum())
    return float(counts.max()) / total if total else 0.0


def evaluate(k, config, parameters, packed, data: LabelledSequences, pool) -> tuple[float, float]:
    """Weighted mean loss, and weighted share of labels that were found.

    Empty documents count in neither.
    """
    logits = predict_logits(k, config, parameters, packed, data.sequences, pool.map)
    labels = np.flatnonzero(data.sequences.lengths > 0)
    if data.by_step:
        labels = np.arange(len(data.y))
    if not len(labels):
        return 0.0, 0.0
    weight = data.weight[labels]
    total = float(weight.sum()) or 1.0
    loss, _ = loss_for(config.n_outputs)(logits[labels], data.y[labels], weight / total)
    right = predicted_class(logits[labels]) == data.y[labels]
    return loss, float(np.sum(weight * right) / total)
