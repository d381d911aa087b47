"""Documents as sums of terms, for the methods that walk back through a network.

The first layer multiplies a sum of rows by its weights. So a term's contribution is the
product of its projected row and the gradient of the pre-activations at its position, and
no method has to go back to the rows themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import TokenSequences
from fastlstm.core.threads import ShardPool
from fastlstm.core.workspace import Workspace, WorkspacePool, aligned_zeros
from fastlstm.data.batching import pack
from fastlstm.network.forward import ForwardState, backward, backward_head, forward
from fastlstm.network.layers import lstm
from fastlstm.network.layers.attention import PackedAttention
from fastlstm.network.predict import Network
from fastlstm.text.ngrams import NGrams

# Tokens of one call of the engine, at least those of one document.
TOKENS_AT_ONCE = 8192


class Terms(NamedTuple):
    """The rows of the table that are summed into the vectors of the positions.

    Attributes
    ----------
    places : int64 array, shape (n_terms,)
        Position of each term.
    ids : int32 array, shape (n_terms,)
        Its row of the table.
    lengths : int64 array, shape (n_terms,)
        Tokens of the n-gram that it stands for; the last is at the position.
    """

    places: np.ndarray
    ids: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, ngrams: NGrams, sequences: TokenSequences) -> Terms:
        """Single tokens, and the n-grams that have vectors of their own."""
        n = len(sequences.ids)
        places, ids = [np.arange(n)], [sequences.ids]
        for of_length, found in ngrams.occurrences(sequences):
            places.append(of_length)
            ids.append(found)
        lengths = [np.full(len(part), number) for number, part in enumerate(places, start=1)]
        return cls(*map(np.concatenate, (places, ids, lengths)))

    def by_document(self, sequences: TokenSequences) -> list[np.ndarray]:
        """Numbers of the terms of each document of ``sequences``, those of a position together."""
        order = np.argsort(self.places, kind="stable")
        cuts = np.searchsorted(self.places[order], sequences.offsets)
        return [order[first:last] for first, last in zip(cuts[:-1], cuts[1:], strict=True)]

    def shared_out(self, values: np.ndarray, n: int) -> np.ndarray:
        """Values of the terms, each spread evenly over the tokens of its n-gram.

        Parameters
        ----------
        values : float array, shape (n_terms, n_columns)
        n : int
            Positions.

        Returns
        -------
        shares : float64 array, shape (n, n_columns)
        """
        return spread(self.places, self.lengths, values, n)


def spread(places, lengths, values, n: int) -> np.ndarray:
    """Values of n-grams that end at ``places``, evenly over their tokens; shape (n, n_columns).

    No two n-grams of one length end at a place.
    """
    out = np.zeros((n, values.shape[1]))
    for length in np.unique(lengths):
        chosen = lengths == length
        for before in range(length):
            out[places[chosen] - before] += values[chosen] / length
    return out


class Contributions(NamedTuple):
    """What the tokens of some documents add to logits.

    Attributes
    ----------
    positions : float64 array, shape (n_tokens, n_targets)
    logits : float64 array, shape (n_documents, n_outputs)
        Of the documents as they are.
    baseline : float64 array, shape (n_documents, n_outputs)
        Of what the method compares them with.
    passes : int array, shape (n_documents,)
        Cost in forward passes; a backward pass counts as two.
    """

    positions: np.ndarray
    logits: np.ndarray
    baseline: np.ndarray
    passes: np.ndarray


class Projection(NamedTuple):
    """What the first layer makes of its input in one direction.

    Attributes
    ----------
    terms : float array, shape (n_terms, padded width)
        The row of each term times the input weights, less that of the baseline.
    positions : float array, shape (n_tokens, padded width)
        The sum of a position's terms.
    bias : float array, shape (padded width,)
        What is added at each position: the bias, and the baseline's row times the weights.
    """

    terms: np.ndarray
    positions: np.ndarray
    bias: np.ndarray


def project(network: Network, terms: Terms, n: int, baseline=None) -> list[Projection]:
    """The projections of a document's terms, for each direction; ``n`` positions.

    ``baseline`` is the id of a token that stands at every position of what documents are
    compared with; None is a vector of zeros.
    """
    k, table = network.k, network.parameters.embedding
    ids = terms.ids if baseline is None else np.append(terms.ids, baseline)
    distinct, number = np.unique(ids, return_inverse=True)
    rows = np.ascontiguousarray(table[distinct])
    found = []
    for direction in network.packed.layers[0]:
        out = aligned_zeros((len(rows), len(direction.b)), table.dtype)
        lstm.project_into(k, Workspace(table.dtype), rows, direction, out)
        of_terms, bias = (out - direction.b)[number], direction.b
        if baseline is not None:
            of_terms, of_baseline = of_terms[:-1], of_terms[-1]
            of_terms[:n] -= of_baseline  # the single tokens stand first
            bias = bias + of_baseline
        positions = np.zeros((n, of_terms.shape[1]), dtype=table.dtype)
        for length in np.unique(terms.lengths):  # no place has two of one length
            chosen = terms.lengths == length
            positions[terms.places[chosen]] += of_terms[chosen]
        found.append(Projection(of_terms, positions, bias))
    return found


class Pass(NamedTuple):
    """A forward pass over documents, and a way back.

    Attributes
    ----------
    work : Workspace
    network : Network
    state : ForwardState
        ``state.batch.ids`` are positions of the documents.
    logits : float array, shape (n_documents, n_outputs)
        In the order of ``state.batch.rows``.
    """

    work: Workspace
    network: Network
    state: ForwardState
    logits: np.ndarray

    def back(self, output: int) -> list[np.ndarray]:
        """Gradients of one logit by what the first layer's gates add up, by position.

        For each direction, shape (n_tokens, padded width); asked for once.
        """
        found = []
        for packed in backward(*self._arguments(output)).pre_activations:
            in_order = np.empty_like(packed)
            in_order[self.state.batch.ids] = packed
            found.append(in_order)
        return found

    def back_to_outputs(self, output: int) -> np.ndarray:
        """Gradient of one logit by the outputs of the last layer, in their packed order.

        Weights of attention are taken as they are.
        """
        k, work, config, packed, *others = self._arguments(output)
        if packed.attention is not None:
            still = PackedAttention(np.zeros_like(packed.attention.w))
            packed = packed._replace(attention=still)
        return backward_head(k, work, config, packed, *others)

    def _arguments(self, output):
        d_logits = np.zeros_like(self.logits)
        d_logits[:, output] = 1
        network = self.network
        return network.k, self.work, network.config, network.packed, self.state, d_logits


def run_forward(network: Network, work: Workspace, projected, sequences: TokenSequences) -> Pass:
    """The network's forward pass on documents whose first layer has read its input.

    Parameters
    ----------
    network : Network
    work : Workspace
    projected : list of float arrays, each of shape (n_tokens, padded width)
        For each direction, of each position.
    sequences : TokenSequences
        Its ids are not read.
    """
    k, config = network.k, network.config
    places = np.arange(len(sequences.ids), dtype=np.int32)
    rows = np.arange(sequences.n_documents)
    batch = pack(k, sequences._replace(ids=places), rows, config.cut_length)
    logits, state = forward(k, work, config, projected, network.packed, batch)
    return Pass(work, network, state, logits)


def attention_shares(networks, sequences: TokenSequences, n_threads: int = 1) -> np.ndarray:
    """The weight of each token in attention pooling, float64, the mean of the networks.

    Parameters
    ----------
    networks : list of Network
        All of them have attention.
    sequences : TokenSequences
        No document is empty.
    n_threads : int

    Returns
    -------
    shares : float64 array, shape (n_tokens,)
        Those of a document add up to 1.
    """
    total = np.zeros(len(sequences.ids))
    for network in networks:

        def work_on(work, first, part, network=network):
            k, config = network.k, network.config
            rows = np.arange(part.n_documents)
            batch = pack(k, part, rows, config.cut_length, with_places=True)
            source = network.parameters.table
            _, state = forward(k, work, config, source, network.packed, batch, keep=False)
            places = sequences.offsets[first] + batch.places
            total[places] += state.attended.shares(batch) / len(networks)

        over_threads(network, list(sequences.runs(TOKENS_AT_ONCE)), n_threads, work_on)
    return total


def over_threads(network: Network, tasks: list, n_threads: int, call) -> list:
    """``call(work, *task)`` for each task, with memory that is used again."""
    workspaces = WorkspacePool(network.parameters.flat.dtype)

    def run(task):
        with workspaces.borrow() as work:
            return call(work, *task)

    with ShardPool(max(1, min(n_threads, len(tasks))), network.k) as pool:
        return pool.map(run, tasks)
