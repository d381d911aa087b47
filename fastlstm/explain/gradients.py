"""Integrated gradients, and gradient times input.

The path of integrated gradients (Sundararajan, Taly and Yan 2017, "Axiomatic attribution
for deep networks") leads from vectors of zero to those of the document. The integral is
taken at the nodes of Clenshaw and Curtis (1960), which a finer rule uses again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import TokenSequences
from fastlstm.explain.rows import (
    TOKENS_AT_ONCE,
    Contributions,
    Terms,
    over_threads,
    project,
    run_forward,
)
from fastlstm.inference import Network

# Nodes but one of the first rule and of the last; each rule doubles them.
FIRST_RULE, LAST_RULE = 8, 512

# Forward passes that a way along the network and back costs.
_PASSES = 3


class AlongPath(NamedTuple):
    """What a network says along the path, at nodes of which the first is 0 and the last 1.

    Attributes
    ----------
    logits : float64 array, shape (n_nodes, n_documents, n_outputs)
    slopes : float64 array, shape (n_nodes, n_terms, n_targets)
        Gradient of each target's logit times the term.
    """

    logits: np.ndarray
    slopes: np.ndarray


def nodes_of(rule: int) -> np.ndarray:
    """Nodes of a rule in [0, 1], rising, shape (rule + 1,)."""
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(rule + 1) / rule)


def weights_of(rule: int) -> np.ndarray:
    """Weights of its nodes, which add up to 1; ``rule`` is even."""
    k = np.arange(1, rule // 2 + 1)
    factor = np.where(k == rule // 2, 1.0, 2.0)
    angles = 2 * np.pi * np.outer(np.arange(rule + 1), k) / rule
    weights = (1 - (factor / (4 * k**2 - 1) * np.cos(angles)).sum(axis=1)) / rule
    weights[[0, -1]] /= 2
    return weights


def along_path(
    network: Network, terms: Terms, sequences: TokenSequences, outputs, nodes, n_threads: int = 1
) -> AlongPath:
    """Logits and slopes at some nodes.

    Parameters
    ----------
    network : Network
    terms : Terms
        Of all ``sequences``.
    sequences : TokenSequences
        No document is empty.
    outputs : int array, shape (n_targets,)
        Logits whose gradients are wanted.
    nodes : float array, shape (n_nodes,)
    n_threads : int
    """
    projections = project(network, terms, len(sequences.ids))
    logits = np.empty((len(nodes), sequences.n_documents, network.config.n_outputs))
    slopes = np.zeros((len(nodes), len(terms.places), len(outputs)))
    order = np.argsort(terms.places, kind="stable")  # the terms of a run of positions together
    places = terms.places[order]

    def work_on(work, first, part, some):
        begin = int(sequences.offsets[first])
        end = begin + len(part.ids)
        own = order[slice(*np.searchsorted(places, [begin, end]))]
        local = terms.places[own] - begin
        copies = TokenSequences.join([part] * len(some))
        projected = [p.scaled(nodes[some], slice(begin, end)) for p in projections]
        of_terms = [p.terms[own] for p in projections]
        for column, output in enumerate(outputs):
            done = run_forward(network, work, projected, copies)
            of_copies = np.empty((copies.n_documents, network.config.n_outputs))
            of_copies[done.state.batch.rows] = done.logits
            shape = (len(some), part.n_documents, -1)
            logits[some, first : first + part.n_documents] = of_copies.reshape(shape)
            done.back(output)
            for gradient, rows in zip(done.gates(), of_terms, strict=True):
                gradient = gradient.reshape(len(some), len(part.ids), -1)
                for node, of_node in zip(some, gradient, strict=True):
                    slopes[node, own, column] += np.einsum("tj,tj->t", of_node[local], rows)

    tasks = [
        (first, part, some)
        for first, part in sequences.runs(TOKENS_AT_ONCE)
        for some in _groups(len(nodes), len(part.ids), n_threads)
    ]
    over_threads(network, tasks, n_threads, work_on)
    return AlongPath(logits, slopes)


def _groups(n_nodes, n_tokens, n_threads):
    """Nodes in groups that fill a call of the engine, and a group at least for each thread."""
    size = min(TOKENS_AT_ONCE // n_tokens, -(-n_nodes // n_threads))
    size = max(1, size)
    return [np.arange(at, min(at + size, n_nodes)) for at in range(0, n_nodes, size)]


class Integral(NamedTuple):
    """Integrals of the slopes of terms, and the logits at both ends of the path.

    Attributes
    ----------
    terms : float64 array, shape (n_terms, n_targets)
    logits, baseline : float64 arrays, shape (n_documents, n_outputs)
    """

    terms: np.ndarray
    logits: np.ndarray
    baseline: np.ndarray


class _Paths:
    """The networks' paths for some documents, with as many nodes as a rule has."""

    def __init__(self, terms, sequences, paths, rule):
        self.terms, self.sequences, self.paths, self.rule = terms, sequences, paths, rule

    @classmethod
    def begin(cls, networks, terms, sequences, outputs, n_threads):
        nodes = nodes_of(FIRST_RULE)
        paths = [along_path(n, terms, sequences, outputs, nodes, n_threads) for n in networks]
        return cls(terms, sequences, paths, FIRST_RULE)

    def integral(self) -> Integral:
        """The mean over the networks."""
        weights = weights_of(self.rule)
        values = [
            (np.tensordot(weights, slopes, axes=1), logits[-1], logits[0])
            for logits, slopes in self.paths
        ]
        return Integral(*(sum(parts) / len(values) for parts in zip(*values, strict=True)))

    def take(self, rows) -> _Paths:
        """The documents ``rows``, rising."""
        lengths = self.sequences.lengths
        kept = np.zeros(len(lengths), dtype=bool)
        kept[rows] = True
        terms, chosen = self.terms.take(np.flatnonzero(np.repeat(kept, lengths)))
        paths = [AlongPath(p.logits[:, rows], p.slopes[:, chosen]) for p in self.paths]
        return _Paths(terms, self.sequences.take(rows), paths, self.rule)

    def refined(self, networks, outputs, n_threads) -> _Paths:
        """With twice as many nodes."""
        nodes = nodes_of(2 * self.rule)[1::2]
        paths = []
        for network, old in zip(networks, self.paths, strict=True):
            new = along_path(network, self.terms, self.sequences, outputs, nodes, n_threads)
            paths.append(AlongPath(*(_interleaved(*pair) for pair in zip(old, new, strict=True))))
        return _Paths(self.terms, self.sequences, paths, 2 * self.rule)


def _interleaved(old, new):
    out = np.empty((len(old) + len(new), *old.shape[1:]))
    out[::2], out[1::2] = old, new
    return out


def integrated_gradients(
    networks, terms: Terms, sequences: TokenSequences, outputs, tolerable, n_threads: int = 1
) -> Contributions:
    """Contributions to the mean of the networks' logits.

    Parameters
    ----------
    networks : list of Network
    terms : Terms
    sequences : TokenSequences
        No document is empty.
    outputs : int array, shape (n_targets,)
    tolerable : callable
        ``tolerable(rows, differences)``: the gap between the sum of contributions and the
        difference of the logits, shapes (n, n_targets), up to which the documents ``rows``
        are done. The others get twice as many nodes, up to 512.
    n_threads : int

    Returns
    -------
    Contributions
    """
    n_documents = sequences.n_documents
    positions = np.zeros((len(sequences.ids), len(outputs)))
    logits, baseline = np.empty((2, n_documents, networks[0].config.n_outputs))
    passes = np.empty(n_documents, dtype=np.int64)
    rows = np.arange(n_documents)
    paths = _Paths.begin(networks, terms, sequences, outputs, n_threads)
    while True:
        found = paths.integral()
        shares = paths.terms.shared_out(found.terms, len(paths.sequences.ids))
        sums = np.add.reduceat(shares, paths.sequences.offsets[:-1])
        differences = (found.logits - found.baseline)[:, outputs]
        done = (np.abs(differences - sums) <= tolerable(rows, differences)).all(axis=1)
        done |= paths.rule >= LAST_RULE
        for row, share in zip(rows[done], _documents(shares, paths.sequences, done), strict=True):
            positions[sequences.offsets[row] : sequences.offsets[row + 1]] = share
        logits[rows[done]], baseline[rows[done]] = found.logits[done], found.baseline[done]
        passes[rows[done]] = _PASSES * len(outputs) * (paths.rule + 1)
        if done.all():
            return Contributions(positions, logits, baseline, passes)
        left = np.flatnonzero(~done)
        rows = rows[left]
        paths = paths.take(left).refined(networks, outputs, n_threads)


def _documents(shares, sequences, chosen):
    """The rows of each chosen document."""
    return [shares[slice(*sequences.offsets[row : row + 2])] for row in np.flatnonzero(chosen)]


def gradient_times_input(networks, terms, sequences, outputs, n_threads=1) -> Contributions:
    """The slopes where the path ends; the mean of the networks."""
    ends = np.array([0.0, 1.0])
    paths = [along_path(n, terms, sequences, outputs, ends, n_threads) for n in networks]
    slopes = sum(path.slopes[-1] for path in paths) / len(paths)
    logits = sum(path.logits for path in paths) / len(paths)
    positions = terms.shared_out(slopes, len(sequences.ids))
    passes = np.full(sequences.n_documents, _PASSES * len(outputs) * len(ends))
    return Contributions(positions, logits[-1], logits[0], passes)
