"""Integrated gradients, and gradient times input.

The path of integrated gradients (Sundararajan, Taly and Yan 2017, "Axiomatic attribution
for deep networks") leads from a text of unknown tokens to the document. What the logit does
on a part of the path is known, so the parts in which Simpson's rule misses it are halved
(docs/explanation/maths.md, eqs. (114) and (115)).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import UNK_ID, TokenSequences
from fastlstm.explain.rows import (
    TOKENS_AT_ONCE,
    Contributions,
    Terms,
    over_threads,
    project,
    run_forward,
)

# Panels of Simpson's rule at first, and points of the path at most.
FIRST_PANELS, MOST_POINTS = 4, 513

# A narrower panel is not halved: float32 hardly tells its ends apart.
_NARROWEST = 2.0**-20

# Forward passes that a way along the networks and back costs.
_PASSES = 3


class Point(NamedTuple):
    """What the networks say at a point of a document's path, on average.

    Attributes
    ----------
    logits : float64 array, shape (n_outputs,)
    slopes : float64 array, shape (n_terms, n_targets)
        Of each term of the document: what it adds to the derivative of the logits.
    """

    logits: np.ndarray
    slopes: np.ndarray


class Paths:
    """Points on the paths of some documents, computed on demand.

    Parameters
    ----------
    networks : list of Network
        Their means are taken.
    terms : Terms
        Of all ``sequences``.
    sequences : TokenSequences
        No document is empty.
    outputs : int array, shape (n_targets,)
        Logits whose derivatives are wanted.
    n_threads : int
    """

    def __init__(self, networks, terms: Terms, sequences: TokenSequences, outputs, n_threads=1):
        self.networks, self.terms, self.sequences = networks, terms, sequences
        self.outputs, self.n_threads = outputs, n_threads
        n = len(sequences.ids)
        self._projections = [project(network, terms, n, UNK_ID) for network in networks]
        self.of_document = terms.by_document(sequences)

    def points(self, documents, at) -> list[Point]:
        """A point for each pair of a document and a place on its path, from 0 to 1."""
        documents, at = np.asarray(documents), np.asarray(at, dtype=np.float64)
        tasks = [
            (number, pairs)
            for number in range(len(self.networks))
            for pairs in self._groups(documents)
        ]
        first = self.networks[0]
        n_outputs, n_targets = first.config.n_outputs, len(self.outputs)
        found = [
            Point(np.zeros(n_outputs), np.zeros((len(self.of_document[d]), n_targets)))
            for d in documents
        ]
        done = over_threads(
            first, tasks, self.n_threads,
            lambda work, number, pairs: self._run(work, number, documents[pairs], at[pairs]),
        )  # fmt: skip
        for (_, pairs), of_pairs in zip(tasks, done, strict=True):  # in the tasks' order
            for pair, (logits, slopes) in zip(pairs, of_pairs, strict=True):
                found[pair].logits[:] += logits / len(self.networks)
                found[pair].slopes[:] += slopes / len(self.networks)
        return found

    def _groups(self, documents) -> list[np.ndarray]:
        """Pairs in runs that fill a call of the engine, and a run at least for each thread."""
        tokens = np.cumsum(self.sequences.lengths[documents])
        size = min(TOKENS_AT_ONCE, -(-int(tokens[-1]) // self.n_threads))
        number = (tokens - 1) // size
        return np.split(np.arange(len(documents)), np.flatnonzero(np.diff(number)) + 1)

    def _run(self, work, number, documents, at) -> list[tuple[np.ndarray, np.ndarray]]:
        """Logits and slopes of one network for some pairs."""
        network, projections = self.networks[number], self._projections[number]
        copies = self.sequences.take(documents)
        places = np.concatenate([
            np.arange(*self.sequences.offsets[d : d + 2]) for d in documents
        ])  # fmt: skip
        scale = np.repeat(at, copies.lengths).astype(projections[0].positions.dtype)[:, None]
        projected = [scale * p.positions[places] + p.bias for p in projections]
        logits = np.empty((len(documents), network.config.n_outputs))
        slopes = [np.zeros((len(self.of_document[d]), len(self.outputs))) for d in documents]
        for column, output in enumerate(self.outputs):
            done = run_forward(network, work, projected, copies)
            logits[done.state.batch.rows] = done.logits
            for by_position, p in zip(done.back(output), projections, strict=True):
                for pair, d in enumerate(documents):
                    own = self.of_document[d]
                    local = self.terms.places[own] - self.sequences.offsets[d]
                    gradient = by_position[copies.offsets[pair] : copies.offsets[pair + 1]][local]
                    slopes[pair][:, column] += np.einsum("tj,tj->t", gradient, p.terms[own])
        return list(zip(logits, slopes, strict=True))


class _Path:
    """The path of one document in panels, each with its ends and its middle."""

    def __init__(self):
        self.points: dict[float, Point] = {}
        edges = np.linspace(0, 1, FIRST_PANELS + 1).tolist()
        self.panels = list(zip(edges[:-1], edges[1:], strict=True))

    def missing(self) -> list[float]:
        """Places that the panels need and that have not been computed."""
        wanted = {x for a, b in self.panels for x in (a, (a + b) / 2, b)}
        return sorted(wanted - set(self.points))

    def whole(self) -> np.ndarray:
        """What each term adds on the whole path."""
        first, *others = (self.integral(a, b) for a, b in self.panels)
        return sum(others, start=first)

    def integral(self, a, b) -> np.ndarray:
        """Simpson's rule: what each term adds between ``a`` and ``b``."""
        first, middle, last = (self.points[x].slopes for x in (a, (a + b) / 2, b))
        return (b - a) / 6 * (first + 4 * middle + last)

    def errors(self, outputs) -> np.ndarray:
        """What the rule misses of the change of each target's logit, eq. (115).

        Shape (n_panels, n_targets).
        """
        changes = [self.points[b].logits - self.points[a].logits for a, b in self.panels]
        sums = [self.integral(a, b).sum(axis=0) for a, b in self.panels]
        return np.stack(changes)[:, outputs] - np.stack(sums)

    def halve_the_worst(self, errors) -> bool:
        """Two panels in the place of each whose error is about as large as the largest.

        ``errors`` are in units of what is tolerable. False where what is missed is missed in
        panels that are as narrow as they may be.
        """
        wide = np.array([b - a > _NARROWEST for a, b in self.panels])
        at_least = np.abs(errors[~wide].sum(axis=0)) - np.abs(errors[wide]).sum(axis=0)
        sizes = np.where(wide, np.abs(errors).max(axis=1), 0)
        if (at_least > 1).any() or not sizes.any():
            return False
        halves = []
        for (a, b), halved in zip(self.panels, sizes >= sizes.max() / 2, strict=True):
            middle = (a + b) / 2
            halves += [(a, middle), (middle, b)] if halved else [(a, b)]
        self.panels = halves
        return True


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
        ``tolerable(row, differences)``: up to which gap between the sum of contributions
        and the difference of the logits the document is done. The others get more points,
        up to 513, or until what is missed is missed in parts too narrow to be halved.
    n_threads : int

    Returns
    -------
    Contributions
    """
    paths = Paths(networks, terms, sequences, outputs, n_threads)
    of_rows = [_Path() for _ in range(sequences.n_documents)]
    of_terms = np.zeros((len(terms.places), len(outputs)))
    left = list(range(sequences.n_documents))
    while left:
        pairs = [(row, x) for row in left for x in of_rows[row].missing()]
        found = paths.points(*map(list, zip(*pairs, strict=True)))
        for (row, x), point in zip(pairs, found, strict=True):
            of_rows[row].points[x] = point
        unfinished = []
        for row in left:
            path = of_rows[row]
            difference = (path.points[1.0].logits - path.points[0.0].logits)[outputs]
            errors = path.errors(outputs) / tolerable(row, difference)
            done = (np.abs(errors.sum(axis=0)) <= 1).all() or len(path.points) >= MOST_POINTS
            if not done and path.halve_the_worst(errors):
                unfinished.append(row)
            else:
                of_terms[paths.of_document[row]] = path.whole()
        left = unfinished
    last, first = (np.stack([path.points[x].logits for path in of_rows]) for x in (1.0, 0.0))
    passes = np.array([_PASSES * len(outputs) * len(path.points) for path in of_rows])
    return Contributions(terms.shared_out(of_terms, len(sequences.ids)), last, first, passes)


def gradient_times_input(networks, terms, sequences, outputs, n_threads=1) -> Contributions:
    """The slopes where the path ends; the mean of the networks."""
    paths = Paths(networks, terms, sequences, outputs, n_threads)
    rows = np.arange(sequences.n_documents)
    ends = paths.points(np.tile(rows, 2), np.repeat([1.0, 0.0], len(rows)))
    last, first = ends[: len(rows)], ends[len(rows) :]
    of_terms = np.zeros((len(terms.places), len(outputs)))
    for own, point in zip(paths.of_document, last, strict=True):
        of_terms[own] = point.slopes
    logits, baseline = (np.stack([point.logits for point in part]) for part in (last, first))
    passes = np.full(len(rows), _PASSES * len(outputs) * 2)
    return Contributions(terms.shared_out(of_terms, len(sequences.ids)), logits, baseline, passes)
