"""Prediction: the bits of the forward pass, whatever the neighbours, threads or chunks."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import COMPANION, ShardPool
from fastlstm.core.workspace import ALIGNMENT, Workspace
from fastlstm.data import batching
from fastlstm.kernels import reference
from fastlstm.network import long
from fastlstm.network import predict as inference
from fastlstm.network.config import ModelConfig
from fastlstm.network.forward import forward
from fastlstm.network.losses import probabilities
from fastlstm.network.parameters import Parameters, pack_model
from tests.helpers import (
    PoisonedWorkspace,
    assert_close,
    each_backend,
    each_compiled_backend,
    each_packing,
    each_predicting_precision,
    token_sequences,
)
from tests.test_model import draw_parameters

PREDICT = ModelConfig(50, embedding_dim=5, hidden_size=9, num_layers=2, pooling="mean_max")


def predict(k, parameters, sequences, run=map, config=PREDICT, precision="float32"):
    packed = pack_model(k, config, parameters, precision)
    return inference.predict_logits(k, config, parameters, packed, sequences, run)


def many_documents():
    """More than one chunk of them, empty ones and ties among them."""
    lengths = np.random.default_rng(3).integers(0, 12, 120).tolist()
    return token_sequences(lengths, 50, seed=4)


@each_predicting_precision
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max"])
def test_prediction_does_not_depend_on_the_neighbours(k, precision, pooling):
    config = ModelConfig(50, 5, 9, num_layers=2, pooling=pooling)
    parameters = draw_parameters(config, dtype=np.float32)
    sequences = many_documents()
    logits = predict(k, parameters, sequences, config=config, precision=precision)
    order = np.random.default_rng(5).permutation(sequences.n_documents)
    shuffled = predict(k, parameters, sequences.take(order), config=config, precision=precision)
    assert np.array_equal(shuffled, logits[order], equal_nan=True)
    for row in range(0, sequences.n_documents, 7):
        alone = predict(k, parameters, sequences.take([row]), config=config, precision=precision)
        assert np.array_equal(alone[0], logits[row], equal_nan=True)


@each_backend
def test_predictions_are_those_of_the_reference(k):
    parameters = draw_parameters(PREDICT)
    sequences = many_documents()
    expected = predict(reference, parameters, sequences)
    assert_close(predict(k, parameters, sequences), expected, 1e-12)
    single = Parameters.from_arrays(
        {name: w.astype(np.float32) for name, w in parameters.arrays().items()}
    )
    logits = predict(k, single, sequences)
    assert logits.dtype == np.float32
    assert_close(logits, expected, 1e-5)


@each_backend
def test_empty_documents_are_nan_and_nothing_else_is(k):
    sequences = many_documents()
    logits = predict(k, draw_parameters(PREDICT, dtype=np.float32), sequences)
    assert (sequences.lengths == 0).sum() > 3
    assert np.array_equal(np.isnan(logits[:, 0]), sequences.lengths == 0)


@each_backend
@pytest.mark.parametrize("prior", [[0.25, 0.75], [0.5, 0.3, 0.2]], ids=str)
def test_network_gives_empty_documents_the_prior(k, prior):
    n_outputs = 1 if len(prior) == 2 else 3
    config = ModelConfig(50, 5, 9, num_layers=2, pooling="mean_max", n_outputs=n_outputs)
    parameters, sequences = draw_parameters(config), many_documents()
    logits = inference.Network(k, config, parameters).logits(sequences, np.array(prior))
    empty = sequences.lengths == 0
    assert_close(probabilities(logits)[empty], np.tile(prior, (empty.sum(), 1)), 1e-14)
    assert np.array_equal(logits[~empty], predict(k, parameters, sequences, config=config)[~empty])


@each_backend
def test_no_documents_and_only_empty_ones(k):
    parameters = draw_parameters(PREDICT, dtype=np.float32)
    none = TokenSequences(np.zeros(0, np.int32), np.zeros(1, np.int64))
    assert predict(k, parameters, none).shape == (0, 1)
    assert np.isnan(predict(k, parameters, token_sequences([0, 0, 0]))).all()


@each_predicting_precision
@pytest.mark.parametrize("n_threads", [2, 5])
def test_predictions_on_threads_are_the_same(k, precision, n_threads):
    parameters = draw_parameters(PREDICT, dtype=np.float32)
    sequences = many_documents()
    with ShardPool(n_threads) as pool:
        spread = predict(k, parameters, sequences, pool.map, precision=precision)
    alone = predict(k, parameters, sequences, precision=precision)
    assert np.array_equal(spread, alone, equal_nan=True)


@each_packing
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max"])
def test_inference_gives_the_bits_of_the_forward_pass(k, precision, training, pooling):
    """Whichever way repeated tokens take, and with the vocabulary projected before."""
    config = ModelConfig(50, 5, 9, num_layers=2, pooling=pooling, n_outputs=3)
    parameters, work = draw_parameters(config, dtype=np.float32), Workspace(np.float32)
    packed = pack_model(k, config, parameters, precision, training)
    projected = inference.project_vocabulary(k, parameters.table, packed)
    assert [p.shape[0] for p in projected] == [50, 50]
    sequences = many_documents()
    for rows in ([0], range(7), np.flatnonzero(sequences.lengths)):
        rows = [row for row in rows if sequences.lengths[row]]
        batch = batching.pack(reference, sequences, rows)
        expected = forward(k, work, config, parameters.table, packed, batch)[0].copy()
        assert np.isfinite(expected).all()
        for source in (parameters.table, projected):
            for keep in (False, True):
                found, _ = forward(k, work, config, source, packed, batch, keep=keep)
                assert np.array_equal(found, expected)


@each_compiled_backend
def test_packing_for_training_predicts_the_same_but_for_rounding(k):
    parameters = draw_parameters(PREDICT, dtype=np.float32)
    sequences = many_documents()
    logits = [
        inference.predict_logits(
            k, PREDICT, parameters, pack_model(k, PREDICT, parameters, training=training),
            sequences,
        )
        for training in (False, True)
    ]  # fmt: skip
    assert_close(*logits, 1e-5)


# One document on two threads


def one_document(length=211):
    return token_sequences([length], 50, seed=6)


@each_packing
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("num_layers", [1, 2, 3, 4])
def test_sweeps_side_by_side_give_the_same_bits(k, precision, training, bidirectional, num_layers):
    config = ModelConfig(50, 5, 9, num_layers=num_layers, bidirectional=bidirectional)
    parameters = draw_parameters(config, dtype=np.float32)
    packed = pack_model(k, config, parameters, precision, training)
    projected = inference.project_vocabulary(k, parameters.table, packed)
    for sequences in (one_document(), one_document(1), many_documents().take([3, 5, 8])):
        batch = batching.pack(reference, sequences, np.flatnonzero(sequences.lengths))
        for source in (parameters.table, projected):
            expected, *results = (
                forward(
                    k, work, config, source, packed, batch, keep=False, beside=beside
                )[0].copy()
                for work, beside in (
                    (Workspace(np.float32), None),
                    (Workspace(np.float32), partial(COMPANION.run, k)),
                    (PoisonedWorkspace(np.float32), partial(COMPANION.run, k)),
                    (PoisonedWorkspace(np.float32), lambda calls, cancel=None: False),
                )
            )  # fmt: skip
            assert np.isfinite(expected).all()
            assert all(np.array_equal(result, expected) for result in results)


@each_compiled_backend
def test_network_runs_one_long_document_side_by_side(k, monkeypatch):
    """And no short one, no second one and none on one thread; with the same bits."""
    monkeypatch.setattr(long, "LONG", 10**9)  # a network so small has no work for two before
    calls = []
    run = COMPANION.run

    def spy(*arguments):
        calls.append(1)
        return run(*arguments)

    monkeypatch.setattr(COMPANION, "run", spy)
    parameters = draw_parameters(PREDICT, dtype=np.float32)
    model, prior = inference.Network(k, PREDICT, parameters), np.array([0.5, 0.5])
    least = -(-inference._SIDE_BY_SIDE // 81)
    for lengths, n_threads, expected in [
        ([least - 1], 2, 0), ([least], 1, 0), ([least, 3], 2, 0), ([least], 2, 2), ([least], 8, 2),
    ]:  # fmt: skip
        calls.clear()
        sequences = token_sequences(lengths, 50)
        logits = model.logits(sequences, prior, n_threads)
        assert len(calls) == expected  # once for each layer in two directions
        assert np.array_equal(logits, predict(k, parameters, sequences))


# Predicts a document from within one half of the companion's work: it is busy then,
# as it is when two threads predict at once.
BUSY = """
import sys
import numpy as np
import fastlstm
sys.path.append(sys.argv[4])  # behind the package that is installed
from fastlstm.core.threads import COMPANION
from fastlstm.kernels.registry import load_backend
from fastlstm.network import predict as inference
from fastlstm.network.config import ModelConfig
from tests.test_inference import draw_parameters, one_document, predict
layers, bidirectional = int(sys.argv[1]), sys.argv[2] == "both"
k = load_backend(sys.argv[3])
inference._SIDE_BY_SIDE = 0
config = ModelConfig(50, 5, 9, num_layers=layers, bidirectional=bidirectional)
parameters = draw_parameters(config, dtype=np.float32)
model = inference.Network(k, config, parameters)
expected = predict(k, parameters, one_document(), config=config)
found = []
def ask():
    found.append(model.logits(one_document(), np.array([0.5, 0.5]), 2))
ask()
COMPANION.run(k, [ask, lambda: None])
assert len(found) == 2 and all(np.array_equal(f, expected) for f in found)
"""


@each_compiled_backend
@pytest.mark.parametrize("bidirectional", ["forward", "both"])
@pytest.mark.parametrize("num_layers", [2, 3])
def test_busy_companion_does_not_keep_a_document_waiting(k, num_layers, bidirectional):
    """In a process of its own, since a kernel that waits cannot be interrupted."""
    done = subprocess.run(
        [sys.executable, "-c", BUSY, str(num_layers), bidirectional, k.NAME,
         str(Path(__file__).parents[1])],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# The projection of the whole vocabulary


def projected_bytes(k, config):
    """What the projection of the whole vocabulary takes, in float32."""
    width = k.padded_width(4 * config.hidden_size, np.float32)
    return config.vocabulary_size * config.n_directions * width * 4


@each_predicting_precision
def test_vocabulary_is_projected_once_as_many_tokens_were_read(k, precision):
    """From the next call on, and with the same bits as before."""
    parameters = draw_parameters(PREDICT, dtype=np.float32)
    model = inference.Network(k, PREDICT, parameters, precision)
    prior = np.array([0.5, 0.5])
    some, one = token_sequences([20, 10, 19], 50), token_sequences([1], 50)
    before = model.logits(some, prior)
    assert model._projected is None
    model.logits(one, prior)  # as many tokens as the vocabulary has rows: 50
    assert model._projected is None
    after = model.logits(some, prior)
    kept = model._projected
    assert len(kept) == 2 and all(len(array) == 50 for array in kept)
    assert np.array_equal(after, before)
    many = [model.logits(many_documents(), prior, n_threads) for n_threads in (1, 3)]
    assert all(new is old for new, old in zip(model._projected, kept, strict=True))
    fresh = inference.Network(k, PREDICT, parameters, precision).logits(many_documents(), prior)
    assert np.array_equal(many[0], fresh)
    assert np.array_equal(many[1], fresh)


@each_compiled_backend
def test_vocabulary_is_not_projected_one_token_too_early(k):
    model = inference.Network(k, PREDICT, draw_parameters(PREDICT, dtype=np.float32))
    for length, kept in ((49, False), (1, False), (1, True)):
        model.logits(token_sequences([length], 50), np.array([0.5, 0.5]))
        assert (model._projected is not None) == kept


@each_compiled_backend
def test_projected_vocabulary_stays_within_its_budget(k, monkeypatch):
    parameters = draw_parameters(PREDICT, dtype=np.float32)
    needed, prior = projected_bytes(k, PREDICT), np.array([0.5, 0.5])
    logits = []
    for budget, kept in ((needed - 1, False), (needed, True)):
        monkeypatch.setattr(inference, "PROJECTED_BUDGET", budget)
        model = inference.Network(k, PREDICT, parameters)
        logits += [model.logits(many_documents(), prior) for _ in range(3)]
        assert (model._projected is not None) == kept
    # Memory that the arrays are cut from counts as well.
    assert sum(array.base.nbytes for array in model._projected) <= needed + 2 * ALIGNMENT
    assert all(np.array_equal(other, logits[0]) for other in logits)


# One short document


def network_that_projects(k, config):
    """A network whose next call takes the projection of the vocabulary."""
    model = inference.Network(k, config, draw_parameters(config, dtype=np.float32))
    model._projected_vocabulary(config.vocabulary_size)
    return model


@each_backend
@pytest.mark.parametrize("pooling", ["last", "max", "mean_max"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("budget", [0, inference.PROJECTED_BUDGET], ids=["table", "projected"])
def test_kept_calls_give_the_bits_of_the_forward_pass(
    k, budget, pooling, num_layers, bidirectional, monkeypatch
):
    """Lengths come and go: memory grows under older plans, and is used by all of them."""
    monkeypatch.setattr(inference, "PROJECTED_BUDGET", budget)
    config = ModelConfig(50, 5, 9, num_layers, bidirectional, pooling)
    model = network_that_projects(k, config)
    lengths = [5, 1, 40, 5, 17, 1, 40]
    for seed, length in enumerate(lengths):
        one = token_sequences([length], 50, seed=seed)
        expected = predict(k, model.parameters, one, config=config)
        for _ in range(2):  # a plan is made, then used; states are cleared between
            found = model.logits(one, np.array([0.5, 0.5]))
            assert np.array_equal(found, expected), (length, seed)
    assert {name for work in model._workspaces._spare for name in work._kept if "plan" in name} == {
        f"plan.{length}" for length in lengths
    }


@each_predicting_precision
def test_kept_calls_read_ngrams_before_and_after_the_projection(k, precision):
    """An n-gram's vector is the sum of its ancestors' rows."""
    config = ModelConfig(8, 3, 2, pooling="max", n_ngrams=4)
    parameters = draw_parameters(config, dtype=np.float32)
    model = inference.Network(k, config, parameters, precision)
    projected = []
    for seed in range(6):
        one = token_sequences([3], 8, seed=seed)
        expected = predict(k, parameters, one, config=config, precision=precision)
        assert np.array_equal(model.logits(one, np.array([0.5, 0.5])), expected)
        projected.append(model._projected is not None)
    assert projected == [False] * 3 + [True] * 3


@each_compiled_backend
def test_answers_of_kept_calls_are_not_written_over(k):
    model, prior = network_that_projects(k, PREDICT), np.array([0.5, 0.5])
    first, second = (token_sequences([6], 50, seed=seed) for seed in (1, 2))
    found = model.logits(first, prior)
    before = found.copy()
    assert not np.array_equal(model.logits(second, prior), before)
    assert np.array_equal(found, before)


@each_compiled_backend
@pytest.mark.parametrize("length", [0, 3, 4, 5, 9, inference._PLANNED_TOKENS + 1])
def test_calls_are_kept_of_whole_short_documents_alone(k, length):
    config = ModelConfig(50, 5, 9, pooling="max", segment_length=4)
    model, one = network_that_projects(k, config), token_sequences([length], 50)
    expected = predict(k, model.parameters, one, config=config)
    if not length:
        expected[:] = inference.prior_logits(np.array([0.3, 0.7]))
    for _ in range(2):
        assert np.array_equal(model.logits(one, np.array([0.3, 0.7])), expected)
    kept = any(f"plan.{length}" in work._kept for work in model._workspaces._spare)
    assert kept == (0 < length <= 4)


@each_compiled_backend
def test_threads_share_a_network_that_keeps_calls(k):
    model, prior = network_that_projects(k, PREDICT), np.array([0.5, 0.5])
    documents = [token_sequences([1 + seed % 7], 50, seed=seed) for seed in range(200)]
    expected = [predict(k, model.parameters, one) for one in documents]
    with ShardPool(4, k) as pool:
        found = pool.map(lambda one: model.logits(one, prior), documents)
    assert all(map(np.array_equal, found, expected))


def test_who_has_work_for_a_second_thread():
    model = inference.Network(reference, PREDICT, draw_parameters(PREDICT, dtype=np.float32))
    side_by_side = inference._SIDE_BY_SIDE // PREDICT.hidden_size**2 + 1
    few, many = [3] * inference.CHUNK_DOCUMENTS, [3] * (inference.CHUNK_DOCUMENTS + 1)
    for lengths, several in ((few, False), (many, True), ([20], False), ([side_by_side], True)):
        assert model.uses_threads(token_sequences(lengths, 50)) == several
