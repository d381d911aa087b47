"""A network in a graph: vectors, layers, pooling, dense."""

from __future__ import annotations

import numpy as np

from fastlstm.export.graph import Graph
from fastlstm.export.sequences import Rows, Segments
from fastlstm.network.config import ModelConfig
from fastlstm.network.layers.embedding import all_vectors
from fastlstm.network.parameters import Parameters

# Below any output of a layer.
_NOTHING = -2.0


def logits_of_network(g: Graph, config: ModelConfig, parameters: Parameters, rows: Rows) -> str:
    """Logits of documents, float32, shape (n, n_outputs); of empty ones they mean nothing."""
    segments = rows.segments(g, config.cut_length)
    width = g.op("Gather", g.op("Shape", segments.ids), [2])
    # Of all segments of all documents: (width, n * n_segments, embedding_dim).
    flat = g.op("Reshape", segments.ids, g.op("Concat", [-1], width, axis=0))
    table = g.constant(all_vectors(parameters.table))
    steps = g.op("Transpose", g.op("Gather", table, flat), perm=[1, 0, 2])
    steps_of = g.cast(g.op("Reshape", segments.lengths, [-1]), np.int32)
    last = ""
    for layer in range(config.num_layers):
        steps, last = _layer(g, config, parameters, layer, steps, steps_of)
    pooled = _pooled(g, config, parameters, segments, rows.lengths, steps, last)
    dense = parameters.named["dense.w"], parameters.named["dense.b"]
    return g.op("Add", g.op("MatMul", pooled, g.constant(dense[0])), g.constant(dense[1]))


def _layer(
    g: Graph, config: ModelConfig, parameters: Parameters, number: int, steps: str, lengths: str
) -> tuple[str, str]:
    """Outputs of all steps, (width, n, outputs), and the last ones, (directions, n, hidden)."""
    directions = ("forward", "reverse")[: config.n_directions]
    blocks = [parameters.block(f"lstm.{number}.{direction}") for direction in directions]
    w, r, b = (
        np.stack([_in_order(block[name], config) for block in blocks])
        for name in ("w_x", "w_h", "b")
    )
    kind = "LSTM" if config.cell == "lstm" else "RNN"
    out, last = g.ops(
        kind, 2, steps, g.constant(w), g.constant(r),
        g.constant(np.concatenate([b, np.zeros_like(b)], axis=1)), lengths,
        hidden_size=config.hidden_size,
        direction="bidirectional" if config.bidirectional else "forward",
    )  # fmt: skip
    turned = g.op("Transpose", out, perm=[0, 2, 1, 3])
    return g.op("Reshape", turned, [0, 0, config.output_width]), last


def _in_order(weights: np.ndarray, config: ModelConfig) -> np.ndarray:
    """Gates in rows, in the order of ONNX: input, output, forget, cell; ours is i, f, g, o."""
    if config.cell != "lstm":
        return np.ascontiguousarray(weights.T)
    i, f, c, o = np.split(weights.T, 4)
    return np.concatenate([i, o, f, c])


def _pooled(
    g: Graph, config: ModelConfig, parameters: Parameters, segments: Segments, lengths: str,
    steps: str, last: str,
) -> str:  # fmt: skip
    """One vector of each document, (n, pooled_width)."""
    shape = g.op("Shape", segments.lengths)
    if config.pooling == "last":
        return _last(g, config, segments, last, shape)
    width = g.op("Gather", g.op("Shape", steps), [0])
    outputs = g.op(
        "Reshape", steps, g.op("Concat", width, shape, [config.output_width], axis=0)
    )  # (width, n, n_segments, outputs)
    number = g.op("Range", 0, g.op("Squeeze", width), 1)
    there = g.op(
        "Less", g.op("Unsqueeze", number, [1, 2]), g.op("Unsqueeze", segments.lengths, [0])
    )
    mask = g.op("Unsqueeze", there, [3])
    if config.has_attention:
        scores = g.op("MatMul", outputs, g.constant(parameters.named["attention.w"][:, None]))
        least = g.op("ReduceMin", scores, keepdims=0)
        most = g.op("ReduceMax", g.op("Where", mask, scores, least), [0, 2], keepdims=1)
        shares = g.op("Where", mask, g.op("Exp", g.op("Sub", scores, most)), 0.0)
        total = g.op("ReduceSum", shares, [0, 2], keepdims=0)
        sums = g.op("ReduceSum", g.op("Mul", shares, outputs), [0, 2], keepdims=0)
        return g.op("Div", sums, total)
    found = []
    if config.pooling in ("mean", "mean_max"):
        sums = g.op("ReduceSum", g.op("Where", mask, outputs, 0.0), [0, 2], keepdims=0)
        found.append(g.op("Div", sums, g.cast(g.op("Max", lengths, 1), np.float32)))
    if config.pooling in ("max", "mean_max"):
        found.append(g.op("ReduceMax", g.op("Where", mask, outputs, _NOTHING), [0, 2], keepdims=0))
    return found[0] if len(found) == 1 else g.op("Concat", *found, axis=1)


def _last(g: Graph, config: ModelConfig, segments: Segments, last: str, shape: str) -> str:
    """The state after the last token of the last segment; in reverse, after the first."""
    states = g.op(
        "Reshape", last, g.op("Concat", [config.n_directions], shape, [config.hidden_size], axis=0)
    )  # (directions, n, n_segments, hidden)
    is_there = g.cast(g.op("Greater", segments.lengths, 0), np.int64)
    count = g.op("Max", g.op("ReduceSum", is_there, [1], keepdims=1), 1)
    number = g.op(
        "Unsqueeze", g.op("Range", 0, g.op("Squeeze", g.op("Gather", shape, [1])), 1), [0]
    )
    found = []
    for direction in range(config.n_directions):
        wanted = g.op("Sub", count, 1) if direction == 0 else 0
        mask = g.op("Unsqueeze", g.op("Equal", number, wanted), [2])
        own = g.op("Gather", states, direction, axis=0)
        found.append(g.op("ReduceSum", g.op("Where", mask, own, 0.0), [1], keepdims=0))
    return found[0] if len(found) == 1 else g.op("Concat", *found, axis=1)
