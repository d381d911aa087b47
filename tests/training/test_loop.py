"""The training loop: what it learns, what ends it, and what it leaves behind."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import pytest

from fastlstm.core.errors import NonFiniteLossWarning
from fastlstm.core.options import Options
from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.data.batching import split_shards
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import repack, weight_blocks
from fastlstm.training import loop
from fastlstm.training.blocks import block_of
from fastlstm.training.engine import ACCUMULATORS
from fastlstm.training.loop import Trainer, evaluate
from fastlstm.training.optim.optimizers import Optimizer, make_optimizer
from fastlstm.training.optim.schedules import make_schedule
from tests.helpers import each_backend, each_precision, token_sequences
from tests.training.toy import (
    CONFIG,
    CONSTANT,
    K,
    Recorder,
    finite_everywhere,
    fresh_state,
    labelled,
    marked_documents,
    same_weights,
    score,
    take,
    train,
    weights,
)

# -- learning -----------------------------------------------------------------------


@each_precision
def test_each_precision_learns(k, precision):
    data, unseen = marked_documents(120), marked_documents(60, seed=1)
    state = train(data, k=k, precision=precision, learning_rate=0.05, max_epochs=10)
    losses = [record["loss"] for record in state.history]
    assert losses[-1] < 0.2 * losses[0]
    assert score(state, unseen, k=k, precision=precision)[1] > 0.95
    assert state.parameters.flat.dtype == np.float32


@each_backend
@pytest.mark.parametrize(
    ("optimizer", "rate"), [("adam", 0.05), ("adamw", 0.05), ("sgd", 0.5)], ids=str
)
def test_each_optimiser_learns(k, optimizer, rate):
    data, unseen = marked_documents(120), marked_documents(60, seed=1)
    state = train(
        data, k=k, optimizer=optimizer, learning_rate=rate, max_epochs=10, weight_decay=0.01
    )
    losses = [record["loss"] for record in state.history]
    assert losses[-1] < 0.2 * losses[0]
    assert score(state, unseen, k=k)[1] > 0.95
    assert state.stopped_by == "max_epochs"


def test_several_classes_are_learned():
    config = ModelConfig(12, 6, 8, n_outputs=3, num_layers=2, pooling="mean_max", dropout=0.1)
    data = marked_documents(200, n_classes=3)
    state = train(data, config=config, learning_rate=0.02, max_epochs=12)
    assert score(state, marked_documents(60, seed=1, n_classes=3), config)[1] > 0.95


def test_first_of_30_tokens_is_remembered():
    """The class is that of the first token; the same tokens come later without meaning."""

    def documents(n, seed, first):
        ids = np.random.default_rng(seed).integers(2, 12, size=(n, 30)).astype(np.int32)
        y = ids[:, 0] % 2
        ids = np.ascontiguousarray(ids[:, first:])
        return labelled(TokenSequences(ids.ravel(), np.arange(n + 1) * ids.shape[1]), y)

    config = ModelConfig(12, 8, 16, bidirectional=False, pooling="last")
    accuracy = []
    for first in (0, 1):  # with and without the token that decides
        state = train(documents(400, 0, first), config=config, learning_rate=0.01, max_epochs=20)
        accuracy.append(score(state, documents(200, 1, first), config)[1])
    assert accuracy[0] > 0.95
    assert accuracy[1] < 0.65


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_every_document_is_seen_once_an_epoch(batch_size):
    recorder = Recorder()
    data = marked_documents(20)
    state = train(data, callbacks=[recorder], batch_size=batch_size, max_epochs=3)
    steps = -(-20 // batch_size)
    assert recorder.calls[0] == ("begin", 3, steps)
    expected = []
    for epoch in (1, 2, 3):
        expected += [("step", epoch, step) for step in range(1, steps + 1)]
        expected.append(("epoch", epoch))
    assert recorder.calls[1:] == [*expected, ("end",)]
    assert state.step == 3 * steps


@each_precision
@pytest.mark.parametrize(
    ("batch_size", "n_shards"), [(32, 2), (170, 12)], ids=["few_shards", "more_than_accumulators"]
)
def test_weights_do_not_depend_on_the_number_of_threads(k, precision, batch_size, n_shards):
    config = ModelConfig(12, 6, 5, num_layers=2, dropout=0.2, embedding_dropout=0.1)
    data = marked_documents(340, longest=60)
    lengths = data.sequences.lengths
    assert len(split_shards(lengths[:batch_size], np.arange(batch_size))) == n_shards
    assert (n_shards > ACCUMULATORS) == (batch_size == 170)
    states = [
        train(data, marked_documents(70, 1), config=config, n_threads=n, max_epochs=2, k=k,
              n_iter_no_change=2, precision=precision, batch_size=batch_size)
        for n in (1, 2, 3, 4, 8)
    ]  # fmt: skip
    for state in states[1:]:
        assert same_weights(state, states[0])
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            mine = [record[name] for record in state.history]
            assert mine == [record[name] for record in states[0].history]
    assert not same_weights(states[0], fresh_state(config))


def test_going_on_equals_never_having_stopped():
    data = marked_documents(50)
    options = {"learning_rate": 0.01, "batch_size": 8, **CONSTANT}
    config = ModelConfig(12, 6, 5, dropout=0.3)
    at_once = train(data, config=config, max_epochs=3, **options)
    in_parts = train(data, config=config, max_epochs=1, **options)
    assert in_parts.step == 7
    train(data, config=config, state=in_parts, max_epochs=2, **options)
    assert in_parts.step == at_once.step == 21
    assert same_weights(in_parts, at_once)
    assert [record["epoch"] for record in in_parts.history] == [1, 2, 3]
    losses = [[record["loss"] for record in state.history] for state in (at_once, in_parts)]
    assert losses[0] == losses[1]


# -- the optimiser is told the right things ------------------------------------------


class Update(NamedTuple):
    """One call of the optimiser: which weights, and what it was told."""

    of_embedding: bool
    step: int
    rate: float
    scale: float
    gradient: np.ndarray


@pytest.fixture
def updates(monkeypatch):
    """Every update of the optimiser, of a part of the weights each."""
    seen, now = [], {}

    class Spy(Optimizer):
        def update(self, k, table, rows, gradient, state, step, rate, scale):
            given = gradient[: len(rows)].astype(np.float64)
            seen.append(Update(True, step, rate, scale, given))
            super().update(k, table, rows, gradient, state, step, rate, scale)

    def spying(*args, **kwargs):
        real = make_optimizer(*args, **kwargs)

        def factors(step, rate, scale):
            found = real.factors(step, rate, scale)
            now[found] = step, rate, scale
            return found

        return Spy(*real._replace(factors=factors))

    def watched(k, optimizer, weights, arrays, packed, gradient, slots, average):
        block = block_of(k, optimizer, weights, arrays, packed, gradient, slots, average)

        def step(factors, packs, share):
            seen.append(Update(False, *now[factors], gradient.astype(np.float64)))
            block(factors, packs, share)

        return step

    monkeypatch.setattr(loop, "make_optimizer", spying)
    monkeypatch.setattr(loop, "block_of", watched)
    return seen


def by_step(updates):
    """The updates of each step, which touch every dense weight once and all rows of a kind."""
    steps = sorted({update.step for update in updates})
    assert steps == list(range(1, len(steps) + 1))
    found = [[update for update in updates if update.step == step] for step in steps]
    for of_step in found:
        dense = sum(update.gradient.size for update in of_step if not update.of_embedding)
        assert dense == fresh_state().parameters.flat.size
        assert any(update.of_embedding for update in of_step)
        assert len({(update.rate, update.scale) for update in of_step}) == 1
    return found


def test_schedule_reaches_the_optimiser(updates):
    data = marked_documents(30)  # 5 steps an epoch
    state = train(data, batch_size=6, max_epochs=4, warmup_fraction=0.25,
                  learning_rate_schedule="linear", learning_rate=0.01)  # fmt: skip
    factor = make_schedule("linear", 20, 0.25)
    expected = [0.01 * factor(step) for step in range(1, 21)]
    assert expected[0] < expected[4] > expected[-1]
    assert [of_step[0].rate for of_step in by_step(updates)] == expected
    assert [record["learning_rate"] for record in state.history] == expected[4::5]


def test_schedule_begins_anew_when_training_goes_on(updates):
    data = marked_documents(12)
    state = train(data, batch_size=4, max_epochs=2, warmup_fraction=0.5)
    train(data, state=state, batch_size=4, max_epochs=2, warmup_fraction=0.5)
    rates = [of_step[0].rate for of_step in by_step(updates)]
    assert len(rates) == 12
    assert rates[6:] == rates[:6]
    assert len(set(rates[:6])) > 3


@pytest.mark.parametrize("max_norm", [None, 1e-3, 1e3])
def test_clipping_reaches_the_optimiser(updates, max_norm):
    train(marked_documents(20), batch_size=5, max_epochs=2, max_grad_norm=max_norm)
    found = by_step(updates)
    assert len(found) == 8
    for of_step in found:
        norm = np.sqrt(sum(np.sum(update.gradient**2) for update in of_step))
        expected = 1.0 if max_norm is None else min(1.0, max_norm / norm)
        assert of_step[0].scale == pytest.approx(expected, rel=1e-9)
        assert (of_step[0].scale < 1) == (max_norm == 1e-3)


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_rows_of_the_embedding_are_updated_once_each(updates, at_once, monkeypatch):
    """However many rows a part has: the same weights."""
    data, options = marked_documents(40), {"learning_rate": 0.01, "max_epochs": 2}
    expected = train(data, batch_size=10, **options)
    updates.clear()
    monkeypatch.setattr(loop, "_ROWS_AT_ONCE", at_once)
    state = train(data, batch_size=10, n_threads=3, **options)
    assert same_weights(state, expected)
    sizes = [len(u.gradient) for u in updates if u.of_embedding]
    assert max(sizes) <= at_once
    assert (len(sizes) > 8) == (at_once < 1000)


def test_clipped_step_has_the_length_asked_for():
    state, start = fresh_state(), fresh_state()
    train(marked_documents(20), state=state, optimizer="sgd", momentum=0.0, learning_rate=10.0,
          max_grad_norm=0.01, max_epochs=1, **CONSTANT)  # fmt: skip
    assert np.linalg.norm(weights(state) - weights(start)) == pytest.approx(0.1, rel=1e-4)


def test_weight_decay_only_where_the_optimiser_has_it():
    data = marked_documents(20)
    after = {}
    for optimizer in ("adam", "adamw", "sgd"):
        for decay in (0.0, 0.1):
            after[optimizer, decay] = train(
                data, optimizer=optimizer, weight_decay=decay, learning_rate=0.01, max_epochs=1,
                **CONSTANT,
            ).parameters.flat  # fmt: skip
    assert np.array_equal(after["adam", 0.0], after["adam", 0.1])
    assert np.array_equal(after["adam", 0.0], after["adamw", 0.0])
    taken = 0.01 * 0.1 * fresh_state().parameters.flat
    for optimizer in ("adamw", "sgd"):
        difference = after[optimizer, 0.0] - after[optimizer, 0.1]
        assert difference == pytest.approx(taken, abs=1e-7)


# -- the record of an epoch ----------------------------------------------------------


def test_fields_of_the_history():
    plain = {"epoch", "loss", "accuracy", "learning_rate", "seconds", "tokens_per_second"}
    data = marked_documents(20)
    for valid, names in [(None, plain), (data, plain | {"val_loss", "val_accuracy"})]:
        state = train(data, valid, max_epochs=2)
        for number, record in enumerate(state.history, start=1):
            assert set(record) == names
            assert record["epoch"] == number
            assert all(type(value) is float for name, value in record.items() if name != "epoch")
            assert record["seconds"] > 0
            assert record["tokens_per_second"] > 0


def test_recorded_loss_and_accuracy_are_those_of_the_model():
    """At a vanishing learning rate the epoch's numbers are those of the first weights."""
    data = marked_documents(33)
    data = data._replace(weight=np.random.default_rng(3).uniform(0.1, 2.0, 33))
    unseen = marked_documents(21, seed=5)
    state = train(data, unseen, batch_size=4, learning_rate=1e-30, max_epochs=1)
    record, start = state.history[0], fresh_state()
    assert record["loss"] == pytest.approx(score(start, data)[0], rel=1e-6)
    assert record["accuracy"] == pytest.approx(score(start, data)[1], rel=1e-12)
    assert (record["val_loss"], record["val_accuracy"]) == score(start, unseen)


def test_evaluate_weighs_documents():
    data = marked_documents(40)
    state = train(data, max_epochs=2)
    single = np.array([score(state, take(data, [row])) for row in range(40)])
    weight = np.random.default_rng(0).uniform(0, 3, 40)
    expected = (weight[:, None] * single).sum(axis=0) / weight.sum()
    assert score(state, data._replace(weight=weight)) == pytest.approx(expected, rel=1e-6)
    # Weights of 0 altogether must not divide by 0.
    assert score(state, data._replace(weight=np.zeros(40))) == (0.0, 0.0)


# -- empty documents -----------------------------------------------------------------


def test_empty_documents_change_nothing():
    data = marked_documents(25)
    with_empty = TokenSequences(data.sequences.ids, np.repeat(data.sequences.offsets, 2)[1:])
    places = np.flatnonzero(with_empty.lengths)
    y = np.ones(with_empty.n_documents, np.int64)
    y[places] = data.y
    mixed = labelled(with_empty, y)
    assert with_empty.n_documents == 50
    states = [train(d, d, batch_size=4, max_epochs=3) for d in (data, mixed)]
    assert same_weights(*states)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert [r[name] for r in states[0].history] == [r[name] for r in states[1].history]


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_but_empty_documents(n):
    nothing = labelled(TokenSequences(np.zeros(0, np.int32), np.zeros(n + 1, np.int64)), [0] * n)
    recorder = Recorder()
    state = train(nothing, nothing, max_epochs=2, callbacks=[recorder])
    assert same_weights(state, fresh_state())
    assert state.step == recorder.count("step") == 0
    assert [record["loss"] for record in state.history] == [0.0, 0.0]
    assert recorder.calls[-1] == ("end",)


# -- early stopping ------------------------------------------------------------------

# (loss, accuracy) of each epoch: epoch 3 is best, ahead of 2 and 4 by its loss alone.
COURSE = [(0.5, 0.6), (0.4, 0.8), (0.3, 0.8), (0.35, 0.8), (0.1, 0.7), (0.2, 0.9)]


def keep_weights(state):
    """A callback that copies the weights at the end of each epoch, and the copies."""
    kept = []
    recorder = Recorder()
    recorder.on_epoch_end = lambda record: kept.append(weights(state))
    return recorder, kept


@pytest.mark.parametrize(
    ("patience", "epochs", "best", "stopped_by"),
    [(1, 4, 3, "early_stopping"), (2, 5, 3, "early_stopping"), (3, 6, 6, "max_epochs")],
)
def test_early_stopping_restores_the_best_epoch(monkeypatch, patience, epochs, best, stopped_by):
    course = iter(COURSE)
    monkeypatch.setattr(loop, "evaluate", lambda *args: next(course))
    state = fresh_state()
    recorder, kept = keep_weights(state)
    data = marked_documents(20)
    train(data, data, state=state, callbacks=[recorder], max_epochs=6, n_iter_no_change=patience)
    assert len(state.history) == len(kept) == epochs
    assert state.stopped_by == stopped_by
    assert np.array_equal(weights(state), kept[best - 1])
    assert len({tuple(copy) for copy in kept}) == epochs


def test_without_early_stopping_validation_changes_nothing(monkeypatch):
    data = marked_documents(20)
    plain = train(data, max_epochs=6)
    course = iter(COURSE)
    monkeypatch.setattr(loop, "evaluate", lambda *args: next(course))
    measured = train(data, data, max_epochs=6, n_iter_no_change=1, early_stopping=False)
    assert same_weights(measured, plain)
    assert measured.stopped_by == "max_epochs"
    assert [(r["val_loss"], r["val_accuracy"]) for r in measured.history] == COURSE


def test_equal_epochs_are_no_better(monkeypatch):
    monkeypatch.setattr(loop, "evaluate", lambda *args: (0.5, 0.9))
    state = fresh_state()
    recorder, kept = keep_weights(state)
    data = marked_documents(20)
    train(data, data, state=state, callbacks=[recorder], max_epochs=9, n_iter_no_change=2)
    assert len(kept) == 3
    assert np.array_equal(weights(state), kept[0])


def test_a_network_that_begins_to_learn_is_waited_for(monkeypatch):
    data = marked_documents(20)
    share = np.bincount(data.y).max() / 20
    begins = [(0.9, share), (0.8, share - 0.1), (0.7, share - 0.1), (0.6, share - 0.1)]

    def epochs_of(scores):
        """How many there are, and which one is kept."""
        scores = iter(scores)
        monkeypatch.setattr(loop, "evaluate", lambda *args: next(scores))
        state = fresh_state()
        recorder, kept = keep_weights(state)
        train(data, data, state=state, callbacks=[recorder], max_epochs=12, n_iter_no_change=2)
        assert state.stopped_by == "early_stopping"
        return len(kept), [np.array_equal(weights(state), w) for w in kept].index(True)

    assert epochs_of(begins + [(0.6, share - 0.1)] * 9) == (6, 0)
    assert epochs_of(begins + [(0.5, share + 0.05)] + [(0.4, share)] * 9) == (7, 4)
    assert epochs_of([(0.7, share)] * 12) == (3, 0)


def test_best_epoch_is_restored_for_real():
    """With labels of chance, training goes past its best epoch; its score comes back."""
    rng = np.random.default_rng(0)
    data = labelled(token_sequences([6] * 60, 12), rng.integers(0, 2, 60))
    valid = labelled(token_sequences([6] * 60, 12, seed=1), rng.integers(0, 2, 60))
    state = fresh_state()
    recorder, kept = keep_weights(state)
    train(data, valid, state=state, callbacks=[recorder], max_epochs=15, n_iter_no_change=15,
          learning_rate=0.03)  # fmt: skip
    results = [(record["val_accuracy"], -record["val_loss"]) for record in state.history]
    best = results.index(max(results))
    assert best < 14
    assert np.array_equal(weights(state), kept[best])
    loss, accuracy = score(state, valid)
    assert (accuracy, -loss) == results[best]


def test_packed_weights_follow_the_restored_ones(monkeypatch):
    course = iter([(0.1, 0.9), (0.5, 0.5)])
    monkeypatch.setattr(loop, "evaluate", lambda *args: next(course))
    data = marked_documents(20)
    with ShardPool(1) as pool:
        options = Options(max_epochs=2, n_iter_no_change=2)
        trainer = Trainer(K, CONFIG, fresh_state(), options, pool)
        trainer.run(data, data)
        result = evaluate(K, CONFIG, trainer.state.parameters, trainer.packed, data, pool)
    assert result == score(trainer.state, data)


# -- losses that are not finite --------------------------------------------------------


def spoil_packed(trainer):
    """The trainer's packed weights follow its parameters."""
    for block in weight_blocks(CONFIG):
        repack(K, trainer.packed, trainer.state.parameters, block)


# Whether NumPy, too, has something to say depends on where the numbers overflow.
EXPLODING = {"learning_rate": 1e30, "max_grad_norm": None, **CONSTANT}


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("batch_size", [6, 30], ids=["batches", "one batch"])
@pytest.mark.parametrize("validated", [False, True], ids=["", "validated"])
def test_exploding_training_keeps_good_weights(optimizer, batch_size, validated):
    data = marked_documents(30)
    valid = marked_documents(10, seed=1) if validated else None
    with pytest.warns(NonFiniteLossWarning, match=r"Lower learning_rate \(now 1e\+30\)"):
        state = train(data, valid, optimizer=optimizer, batch_size=batch_size, max_epochs=4,
                      **EXPLODING)  # fmt: skip
    assert state.stopped_by == "non_finite_loss"
    assert finite_everywhere(state, data)


@pytest.mark.parametrize("validated", [False, True], ids=["", "validated"])
def test_explosion_in_the_last_step_is_seen(validated):
    """Nothing computes a loss after it, unless there is validation data."""
    data = marked_documents(30)
    with pytest.warns(NonFiniteLossWarning, match="not finite after epoch 1: training"):
        state = train(data, data if validated else None, batch_size=30, max_epochs=1,
                      learning_rate=1e38, max_grad_norm=None, **CONSTANT)  # fmt: skip
    assert state.stopped_by == "non_finite_loss"
    assert same_weights(state, fresh_state())
    assert state.history == []


def test_validation_loss_that_is_not_finite_ends_training(monkeypatch):
    course = iter([(0.5, 0.5), (np.nan, 0.9)])
    monkeypatch.setattr(loop, "evaluate", lambda *args: next(course))
    state = fresh_state()
    recorder, kept = keep_weights(state)
    data = marked_documents(20)
    with pytest.warns(NonFiniteLossWarning, match="not finite after epoch 2: training"):
        train(data, data, state=state, callbacks=[recorder], max_epochs=5)
    assert len(state.history) == len(kept) == 1
    assert np.array_equal(weights(state), kept[0])


@pytest.mark.parametrize("array", ["embedding", "lstm.0.forward.w_h", "dense.b"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_warning_names_epoch_and_batch(array, value):
    state = fresh_state()
    before = {}

    def spoil(epoch, step):
        weight = state.parameters.arrays()[array]
        if (epoch, step) == (2, 2):
            before[array] = weight.copy()
        if (epoch, step) == (2, 3):  # what this step has changed
            weight[weight != before[array]] = value
            spoil_packed(trainer)

    data = marked_documents(30)
    recorder = Recorder(spoil)
    with ShardPool(1) as pool:
        options = Options(batch_size=5, max_epochs=4)
        trainer = Trainer(K, CONFIG, state, options, pool, [recorder])
        with pytest.warns(NonFiniteLossWarning, match="not finite in epoch 2, batch 4: training"):
            trainer.run(data, None)
    assert state.stopped_by == "non_finite_loss"
    assert recorder.calls[-2:] == [("step", 2, 3), ("end",)]
    assert len(state.history) == 1
    assert finite_everywhere(state, data)


def test_best_validated_weights_are_kept_rather_than_the_last(monkeypatch):
    course = iter([(0.1, 0.9), (0.5, 0.5)])
    monkeypatch.setattr(loop, "evaluate", lambda *args: next(course))
    state = fresh_state()
    recorder, kept = keep_weights(state)
    data = marked_documents(20)

    def spoil(epoch, step):
        if epoch == 3:
            state.parameters.flat[:] = np.nan
            spoil_packed(trainer)

    recorder.act = spoil
    with ShardPool(1) as pool:
        options = Options(batch_size=5, max_epochs=5)
        trainer = Trainer(K, CONFIG, state, options, pool, [recorder])
        with pytest.warns(NonFiniteLossWarning, match="epoch 3, batch 2"):
            trainer.run(data, data)
    assert np.array_equal(weights(state), kept[0])


def test_weights_that_were_never_good_are_left_alone():
    state = fresh_state()
    state.parameters.named["dense.b"][:] = np.nan
    before = weights(state)
    with pytest.warns(NonFiniteLossWarning, match="epoch 1, batch 1"):
        train(marked_documents(10), state=state)
    assert np.array_equal(weights(state), before, equal_nan=True)
    assert state.history == []


@pytest.mark.parametrize(
    ("optimizer", "rate", "exploding"), [("adam", 0.05, 1e30), ("sgd", 0.5, 1e12)], ids=str
)
def test_training_can_go_on_after_an_explosion(optimizer, rate, exploding):
    """Neither the weights nor the optimiser's state remember it."""
    data = marked_documents(120)
    with pytest.warns(NonFiniteLossWarning):
        state = train(data, optimizer=optimizer, max_epochs=2,
                      **{**EXPLODING, "learning_rate": exploding})  # fmt: skip
    train(data, state=state, optimizer=optimizer, learning_rate=rate, max_epochs=10)
    assert state.stopped_by == "max_epochs"
    assert score(state, data)[1] > 0.95


@pytest.mark.parametrize("names", [("sgd", "adam"), ("adam", "sgd")], ids="-".join)
def test_another_optimiser_begins_with_its_own_state(names):
    """It neither fails on the other's state nor reads its moments."""
    data = marked_documents(30)
    state = train(data, optimizer=names[0], max_epochs=1, **CONSTANT)
    fresh = fresh_state()
    fresh.parameters, fresh.rng = state.parameters.copy(), copy.deepcopy(state.rng)
    train(data, state=state, optimizer=names[1], max_epochs=1, **CONSTANT)
    train(data, state=fresh, optimizer=names[1], max_epochs=1, **CONSTANT)
    np.testing.assert_array_equal(state.parameters.flat, fresh.parameters.flat)
