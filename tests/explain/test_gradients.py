"""Integrated gradients and gradient times input, network by network."""

import numpy as np
import pytest

from fastlstm.core.records import TokenSequences
from fastlstm.explain.gradients import (
    along_path,
    gradient_times_input,
    integrated_gradients,
    nodes_of,
    weights_of,
)
from fastlstm.explain.rows import Terms, project, spread
from fastlstm.inference import Network
from fastlstm.kernels import reference
from fastlstm.model import ModelConfig, Parameters
from fastlstm.text.ngrams import NGrams

PRIOR = np.array([0.5, 0.5])
SEQUENCES = TokenSequences(
    np.array([2, 3, 4, 2, 5, 6, 3, 2, 4, 6, 5, 3, 2], dtype=np.int32), np.array([0, 7, 8, 13])
)
# "3 4", "2 3" and, behind them, "2 3 4".
NGRAMS = NGrams(7, np.array([[2, 3], [3, 4], [2, 8]]))


def network(pooling="max", layers=1, n_outputs=1, segment_length=0, seed=0):
    config = ModelConfig(
        10, embedding_dim=4, hidden_size=3, num_layers=layers, pooling=pooling,
        n_outputs=n_outputs, n_ngrams=3, segment_length=segment_length,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(size=shape) for name, shape in config.dense_shapes().items()}
    arrays["embedding"] = rng.normal(size=(10, 4))
    return Network(reference, config, Parameters.from_arrays(arrays, NGRAMS.parents))


def logits(net, scale=1.0, change=None):
    """Logits with all vectors scaled, or with one row of the table changed."""
    arrays = {name: w.copy() for name, w in net.parameters.arrays().items()}
    arrays["embedding"] = arrays["embedding"] * scale
    if change is not None:
        arrays["embedding"][change[0]] += change[1]
    other = Network(net.k, net.config, Parameters.from_arrays(arrays, NGRAMS.parents))
    return other.logits(NGRAMS.longest(SEQUENCES), PRIOR)


def test_rule_integrates_polynomials():
    for rule in (8, 16, 32):
        x, w = nodes_of(rule), weights_of(rule)
        assert x[0] == 0 and x[-1] == 1 and (np.diff(x) > 0).all()
        for power in range(rule + 1):
            assert w @ x**power == pytest.approx(1 / (power + 1), abs=1e-13)


def test_finer_rules_keep_the_nodes():
    assert np.allclose(nodes_of(16)[::2], nodes_of(8), atol=1e-15)


def test_terms_are_the_vectors_of_the_network():
    net = network()
    terms = Terms.of(NGRAMS, SEQUENCES)
    table, group = net.parameters.embedding, net.parameters.group("lstm.0.reverse")
    vectors = {0: table[2], 1: table[3] + table[7], 2: table[4] + table[8] + table[9]}
    found = project(net, terms, len(SEQUENCES.ids))[1]
    for place, vector in vectors.items():
        assert np.allclose(found.positions[place][:12], vector @ group["w_x"])
    assert np.allclose(found.bias[:12], group["b"])
    for shape in {"pooling": "mean"}, {"segment_length": 3}, {"layers": 2, "n_outputs": 3}:
        net = network(**shape)
        path = along_path(net, terms, SEQUENCES, [0], np.array([0.0, 1.0]))
        assert np.allclose(path.logits[1], net.logits(NGRAMS.longest(SEQUENCES), PRIOR))


def test_taking_positions_keeps_their_terms():
    terms = Terms.of(NGRAMS, SEQUENCES)
    some, chosen = terms.take(np.arange(7, 13))
    assert np.array_equal(terms.ids[chosen], some.ids)
    assert np.array_equal(terms.places[chosen] - 7, some.places)
    assert len(some.ids) == np.sum(terms.places >= 7)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("segment_length", [0, 3])
def test_slopes_are_those_of_the_path(pooling, layers, segment_length):
    """Their sum at a node is the derivative of the logit along the path."""
    net = network(pooling, layers, 2, segment_length)
    net2 = net  # two logits stand for two classes of a model with three outputs or more
    terms, at, step = Terms.of(NGRAMS, SEQUENCES), 0.6, 1e-6
    path = along_path(net2, terms, SEQUENCES, [0, 1], np.array([at]))
    slopes = terms.shared_out(path.slopes[0], len(SEQUENCES.ids))
    sums = np.add.reduceat(slopes, SEQUENCES.offsets[:-1])
    numeric = (logits(net, at + step) - logits(net, at - step)) / (2 * step)
    assert np.allclose(sums, numeric, rtol=1e-6, atol=1e-8)


def test_gradient_of_a_row_of_the_table():
    """Gradient times input of a token that stands once, by changing its row."""
    net, terms = network(), Terms.of(NGRAMS, SEQUENCES)
    found = gradient_times_input([net], terms, SEQUENCES, [0])
    path = along_path(net, terms, SEQUENCES, [0], np.array([1.0]))
    (trigram,) = np.flatnonzero(terms.ids == 9)
    step = 1e-6 * net.parameters.embedding[9]
    numeric = (logits(net, change=(9, step)) - logits(net, change=(9, -step)))[0, 0] / 2e-6
    assert path.slopes[0, trigram, 0] == pytest.approx(numeric, rel=1e-6)
    assert found.positions.shape == (len(SEQUENCES.ids), 1)


def test_ngrams_are_spread_over_their_tokens():
    out = spread(np.array([2, 4]), np.array([3, 1]), np.array([[3.0], [5.0]]), 5)
    assert out[:, 0].tolist() == [1, 1, 1, 0, 5]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_integrated_gradients_add_up(pooling):
    networks = [network(pooling, seed=seed) for seed in (0, 1)]
    terms = Terms.of(NGRAMS, SEQUENCES)
    found = integrated_gradients(
        networks, terms, SEQUENCES, [0], lambda rows, d: 0.005 * np.abs(d) + 1e-5
    )
    sums = np.add.reduceat(found.positions, SEQUENCES.offsets[:-1])
    difference = found.logits - found.baseline
    assert np.allclose(sums, difference, rtol=0.005, atol=1e-5)
    mean = sum(net.logits(NGRAMS.longest(SEQUENCES), PRIOR) for net in networks) / 2
    assert np.allclose(found.logits, mean)
    assert np.allclose(found.baseline, sum(logits(net, 0.0) for net in networks) / 2)


def test_only_the_documents_that_need_it_are_refined():
    net, terms = network(), Terms.of(NGRAMS, SEQUENCES)
    asked = []

    def tolerable(rows, differences):
        asked.append(rows.tolist())
        return np.where(rows[:, None] == 1, 0.0 if len(asked) < 3 else np.inf, np.inf)

    found = integrated_gradients([net], terms, SEQUENCES, [0], tolerable)
    assert asked == [[0, 1, 2], [1], [1]]
    assert found.passes.tolist() == [27, 99, 27]
    coarse = integrated_gradients([net], terms, SEQUENCES, [0], lambda rows, d: np.inf)
    kept = np.r_[0:7, 8:13]
    assert np.array_equal(found.positions[kept], coarse.positions[kept])


def test_one_document_does_not_depend_on_the_others():
    net = network(segment_length=3)
    alone = SEQUENCES.take([0])
    together = along_path(net, Terms.of(NGRAMS, SEQUENCES), SEQUENCES, [0], nodes_of(8))
    single = along_path(net, Terms.of(NGRAMS, alone), alone, [0], nodes_of(8), n_threads=2)
    _, chosen = Terms.of(NGRAMS, SEQUENCES).take(np.arange(7))
    assert np.allclose(together.slopes[:, chosen], single.slopes, rtol=1e-12, atol=1e-14)
