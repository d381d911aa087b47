"""Layer-wise relevance propagation for LSTMs.

Arras, Montavon, Mueller and Samek (2017), "Explaining recurrent neural network predictions
in sentiment analysis": a sum hands relevance to its terms in proportion to them (the
epsilon rule), and of a product of gate and signal the signal takes it all
(docs/explanation/maths.md, eqs. (116) and (117)). Since the relevance of a number is then
the number times a factor, factors are propagated.
"""

from __future__ import annotations

import numpy as np

from fastlstm.explain.rows import (
    TOKENS_AT_ONCE,
    Contributions,
    over_threads,
    project,
    run_forward,
)
from fastlstm.network.layers import lstm

# What keeps a quotient of small numbers bounded. The paper has 0.001; with that relevance
# grows without bound on the way back through some networks with large recurrent weights.
EPSILON = 1e-2

# Forward passes that the way there and back costs.
_PASSES = 3


def relevance(networks, terms, sequences, outputs, n_threads: int = 1) -> Contributions:
    """Relevance of the tokens for the mean of the networks' logits.

    Parameters
    ----------
    networks : list of Network
    terms : Terms
    sequences : TokenSequences
        No document is empty.
    outputs : int array, shape (n_targets,)
    n_threads : int

    Returns
    -------
    Contributions
        The baseline is the bias of the dense layer. What else is missing between the
        contributions and the logits went to biases and to the stabiliser.
    """
    found = [_of_network(n, terms, sequences, outputs, n_threads) for n in networks]
    positions, logits, baseline = (sum(parts) / len(found) for parts in zip(*found, strict=True))
    passes = np.full(sequences.n_documents, _PASSES * len(outputs))
    return Contributions(positions, logits, baseline, passes)


def _of_network(network, terms, sequences, outputs, n_threads):
    """Contributions, logits and baseline of one network."""
    n = len(sequences.ids)
    projections = project(network, terms, n)
    values = np.zeros((len(terms.places), len(outputs)))
    logits = np.empty((sequences.n_documents, network.config.n_outputs))
    of_document = terms.by_document(sequences)

    def work_on(work, first, part):
        begin = int(sequences.offsets[first])
        end = begin + len(part.ids)
        own = np.concatenate(of_document[first : first + part.n_documents])
        projected = [p.positions[begin:end] + p.bias for p in projections]
        for column, output in enumerate(outputs):
            done = run_forward(network, work, projected, part)
            logits[first + done.state.batch.rows] = done.logits
            for quotients, p in zip(_quotients(done, projected, output), projections, strict=True):
                factors = np.empty_like(quotients)
                factors[done.state.batch.ids] = quotients
                signal = _signal(network.config)
                rows = p.terms[own][:, signal]
                values[own, column] += np.einsum("tj,tj->t", factors[terms.places[own] - begin],
                                                 rows)  # fmt: skip

    over_threads(network, list(sequences.runs(TOKENS_AT_ONCE)), n_threads, work_on)
    bias = network.parameters.named["dense.b"].astype(np.float64)
    baseline = np.tile(bias, (sequences.n_documents, 1))
    return terms.shared_out(values, n), logits, baseline


def _signal(config) -> slice:
    """Columns of the new signal among the gates; a plain RNN has nothing else."""
    first = 2 * config.hidden_size if config.cell_width else 0
    return slice(first, first + config.hidden_size)


def _quotients(done, projected, output) -> list[np.ndarray]:
    """For each direction of the first layer: relevance of its signals, divided by their sums."""
    network, config, state = done.network, done.network.config, done.state
    # Pooling and the dense layer are sums: there relevance by value is the gradient. Weights of
    # attention are gates.
    factor = done.back_to_outputs(output)
    hidden = config.hidden_size
    signal = _signal(config)
    for layer in reversed(range(config.num_layers)):
        cache, quotients, below = state.caches[layer], [], 0
        for d, direction in enumerate(lstm.DIRECTIONS[: config.n_directions]):
            part = slice(d * hidden, (d + 1) * hidden)
            weights = network.parameters.block(f"lstm.{layer}.{direction}")
            w_x, w_h, b = (weights[name][..., signal] for name in ("w_x", "w_h", "b"))
            if layer:
                sums = cache.inputs.rows @ w_x + b
            else:
                sums = projected[d][state.batch.ids][:, signal]
            states = cache.out[:, part], cache.gates[d], cache.c[d], factor[:, part]
            quotients.append(_through_direction(w_h, state.batch, sums, *states, d == 1))
            if layer:
                below = below + quotients[-1] @ w_x.T
        factor = below
    return quotients


def _through_direction(w_h, batch, input_sums, h, gates, c, factor, reverse) -> np.ndarray:
    """Relevance of the signals of one direction by their sums, from that of its outputs by value.

    ``input_sums`` are what the input and the bias add to the signals before the tanh.
    """
    hidden = h.shape[1]
    quotients = np.empty_like(h)
    steps = range(len(batch.n_live))
    from_later_h = np.zeros((batch.n_sequences, hidden))  # by value of the state handed on
    from_later_c = np.zeros((batch.n_sequences, hidden))  # relevance of the cell handed on
    for t in steps if reverse else reversed(steps):
        n, at = batch.n_live[t], batch.starts[t]
        now = slice(at, at + n)
        earlier = t + 1 if reverse else t - 1
        h_before, c_before = np.zeros((n, hidden)), np.zeros((n, c.shape[1]))
        if 0 <= earlier < len(batch.n_live):
            live = min(n, batch.n_live[earlier])
            first = batch.starts[earlier]
            h_before[:live] = h[first : first + live]
            c_before[:live] = c[first : first + live]
        of_signal = h[now] * (factor[now] + from_later_h[:n])
        if c.shape[1]:  # of a plain RNN the output is the signal
            share = (of_signal + from_later_c[:n]) / _stable(c[now])
            from_later_c[:n] = share * gates[now, hidden : 2 * hidden] * c_before
            of_signal = share * gates[now, :hidden] * gates[now, 2 * hidden : 3 * hidden]
        quotient = of_signal / _stable(input_sums[now] + h_before @ w_h)
        quotients[now] = quotient
        from_later_h[:n] = quotient @ w_h.T
    return quotients


def _stable(x):
    return x + np.where(x >= 0, EPSILON, -EPSILON)
