"""Integrated gradients and gradient times input, network by network."""

import numpy as np
import pytest

from fastlstm.core.records import TokenSequences
from fastlstm.explain.gradients import (
    Paths,
    Point,
    _Path,
    gradient_times_input,
    integrated_gradients,
)
from fastlstm.explain.rows import Terms, project, spread
from fastlstm.kernels import reference
from fastlstm.network.config import ModelConfig
from fastlstm.network.parameters import Parameters
from fastlstm.network.predict import Network
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


def logits(net, at=1.0, change=None):
    """Logits at a place of the path, or with one row of the table changed."""
    arrays = {name: w.copy() for name, w in net.parameters.arrays().items()}
    table = arrays["embedding"]
    unknown = table[1].copy()
    table[:7] = unknown + at * (table[:7] - unknown)
    table[7:] *= at
    if change is not None:
        table[change[0]] += change[1]
    other = Network(net.k, net.config, Parameters.from_arrays(arrays, NGRAMS.parents))
    return other.logits(NGRAMS.longest(SEQUENCES), PRIOR)


def paths_of(*networks, outputs=(0,), sequences=SEQUENCES):
    terms = Terms.of(NGRAMS, sequences)
    return Paths(list(networks), terms, sequences, np.array(outputs))


def all_documents(paths, at):
    found = paths.points([0, 1, 2], [at] * 3)
    return np.stack([p.logits for p in found]), np.stack([p.slopes.sum(axis=0) for p in found])


def test_terms_are_the_vectors_of_the_network():
    net = network()
    terms = Terms.of(NGRAMS, SEQUENCES)
    table, group = net.parameters.embedding, net.parameters.block("lstm.0.reverse")
    vectors = {0: table[2], 1: table[3] + table[7], 2: table[4] + table[8] + table[9]}
    for baseline, row in ((None, np.zeros(4)), (1, table[1])):
        found = project(net, terms, len(SEQUENCES.ids), baseline)[1]
        for place, vector in vectors.items():
            assert np.allclose(found.positions[place][:12], (vector - row) @ group["w_x"])
        assert np.allclose(found.bias[:12], group["b"] + row @ group["w_x"])


@pytest.mark.parametrize(
    "shape", [{"pooling": "mean"}, {"segment_length": 3}, {"layers": 2, "n_outputs": 3}], ids=str
)
def test_the_path_ends_at_the_document_and_begins_without_a_word(shape):
    net = network(**shape)
    for at in (0.0, 0.3, 1.0):
        assert np.allclose(all_documents(paths_of(net), at)[0], logits(net, at))


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max", "attention"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("segment_length", [0, 3])
def test_slopes_are_those_of_the_path(pooling, layers, segment_length):
    """Their sum at a node is the derivative of the logit along the path."""
    net, at, step = network(pooling, layers, 2, segment_length), 0.6, 1e-6
    _, sums = all_documents(paths_of(net, outputs=(0, 1)), at)
    numeric = (logits(net, at + step) - logits(net, at - step)) / (2 * step)
    assert np.allclose(sums, numeric, rtol=1e-6, atol=1e-8)


def test_slope_of_a_row_of_the_table():
    """That of an n-gram that stands once, by changing its row."""
    net = network()
    paths = paths_of(net)
    (point,) = paths.points([0], [1.0])
    (trigram,) = np.flatnonzero(paths.terms.ids[paths.of_document[0]] == 9)
    step = 1e-6 * net.parameters.embedding[9]
    numeric = (logits(net, change=(9, step)) - logits(net, change=(9, -step)))[0, 0] / 2e-6
    assert point.slopes[trigram, 0] == pytest.approx(numeric, rel=1e-6)
    found = gradient_times_input([net], paths.terms, SEQUENCES, np.array([0]))
    assert found.positions[:7].sum() == pytest.approx(point.slopes.sum())
    assert np.allclose(found.logits, logits(net)) and np.allclose(found.baseline, logits(net, 0.0))


def test_ngrams_are_spread_over_their_tokens():
    out = spread(np.array([2, 4]), np.array([3, 1]), np.array([[3.0], [5.0]]), 5)
    assert out[:, 0].tolist() == [1, 1, 1, 0, 5]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_integrated_gradients_add_up(pooling):
    networks = [network(pooling, seed=seed) for seed in (0, 1)]
    terms = Terms.of(NGRAMS, SEQUENCES)
    found = integrated_gradients(
        networks, terms, SEQUENCES, np.array([0]), lambda row, d: 0.005 * np.abs(d) + 1e-5
    )
    sums = np.add.reduceat(found.positions, SEQUENCES.offsets[:-1])
    difference = found.logits - found.baseline
    assert np.allclose(sums, difference, rtol=0.005, atol=1e-5)
    assert np.allclose(found.logits, sum(logits(net) for net in networks) / 2)
    assert np.allclose(found.baseline, sum(logits(net, 0.0) for net in networks) / 2)


def test_adaptive_panels_give_what_a_fine_grid_gives():
    """Token by token, not only in sum."""
    net, terms = network("mean"), Terms.of(NGRAMS, SEQUENCES)
    found = integrated_gradients(
        [net], terms, SEQUENCES, np.array([0]), lambda row, d: 1e-7 * np.abs(d)
    )
    paths, places = paths_of(net), (np.arange(400) + 0.5) / 400
    fine = np.zeros((len(terms.places), 1))
    for row in range(3):
        points = paths.points([row] * 400, places)
        fine[paths.of_document[row]] = sum(point.slopes for point in points) / 400
    assert np.allclose(found.positions, terms.shared_out(fine, len(SEQUENCES.ids)), atol=2e-5)


def test_an_unknown_token_adds_nothing():
    sequences = TokenSequences(np.array([2, 1, 3], dtype=np.int32), np.array([0, 3]))
    terms = Terms.of(NGRAMS, sequences)
    found = integrated_gradients(
        [network()], terms, sequences, np.array([0]), lambda row, d: np.inf
    )
    assert found.positions[1] == 0 and (found.positions[[0, 2]] != 0).all()


def test_only_the_documents_that_need_it_get_more_points():
    net, terms = network(), Terms.of(NGRAMS, SEQUENCES)
    asked = []

    def tolerable(row, difference):
        asked.append(row)
        return 1e-12 if row == 1 and asked.count(1) < 3 else np.inf

    outputs = np.array([0])
    found = integrated_gradients([net], terms, SEQUENCES, outputs, tolerable)
    assert asked == [0, 1, 2, 1, 1]
    assert found.passes[0] == found.passes[2] == 27 < found.passes[1]
    coarse = integrated_gradients([net], terms, SEQUENCES, outputs, lambda row, d: np.inf)
    kept = np.r_[0:7, 8:13]
    assert np.array_equal(found.positions[kept], coarse.positions[kept])


def test_points_end_at_a_bound(monkeypatch):
    monkeypatch.setattr("fastlstm.explain.gradients.MOST_POINTS", 20)
    terms = Terms.of(NGRAMS, SEQUENCES)
    found = integrated_gradients([network()], terms, SEQUENCES, np.array([0]), lambda row, d: 1e-15)
    assert (found.passes >= 3 * 20).all() and (found.passes < 3 * 40).all()


def test_one_document_does_not_depend_on_the_others():
    net, alone = network(segment_length=3), SEQUENCES.take([0])
    terms = Terms.of(NGRAMS, alone)
    single = Paths([net], terms, alone, np.array([0]), n_threads=2)
    together = paths_of(net)
    one, other = single.points([0], [0.25])[0], together.points([0, 2, 0], [0.0, 0.5, 0.25])[2]
    assert np.allclose(one.slopes, other.slopes, rtol=1e-12, atol=1e-14)
    assert np.allclose(one.logits, other.logits, rtol=1e-12)


def test_a_jump_is_not_halved_for_ever():
    """Half of a panel that is as narrow as it may be would need points that are there."""
    path, logit = _Path(), lambda x: float(x > 1 / 3)
    halve_while_possible(path, logit, lambda x: 0.0, tolerance=0.1)
    assert not path.missing()
    assert len(path.points) < 200


def test_what_is_missed_beside_a_jump_is_halved_all_the_same():
    """The worst panel is as narrow as may be, and a tolerable error is still within reach."""
    path = _Path()
    halve_while_possible(
        path, lambda x: 0.05 * (x > 1 / 3) + np.sin(40 * x), lambda x: 40 * np.cos(40 * x), 0.06
    )
    assert np.abs(path.errors([0]).sum()) <= 0.06


def halve_while_possible(path, logit, slope, tolerance):
    for _ in range(100):
        for x in path.missing():
            path.points[x] = Point(np.array([logit(x)]), np.array([[slope(x)]]))
        errors = path.errors([0])
        if np.abs(errors.sum()) <= tolerance or not path.halve_the_worst(errors / tolerance):
            return
