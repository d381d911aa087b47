"""A fitted classifier as ONNX: token ids in, classes and probabilities out.

All that the model does with ids is in the graph, in standard operators: which ones the networks
read, n-grams, segments, the networks, the linear part, the blend. A row of the input is one
document, whole, padded with 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.classifier.fitted import FittedModel
from fastlstm.core.records import UNK_ID
from fastlstm.export.graph import Graph
from fastlstm.export.networks import logits_of_network
from fastlstm.export.sequences import Rows, longest_ngrams, ngrams_of_each_length
from fastlstm.network.predict import prior_logits
from fastlstm.text.encoder import head_length


def to_onnx(clf) -> Any:
    """A fitted classifier as an ONNX model.

    Parameters
    ----------
    clf : LSTMSentimentClassifier or LSTMClassifier
        Fitted, without columns beside the texts, features or labels of steps.

    Returns
    -------
    model : onnx.ModelProto
        Input ``ids``, int64 of shape (n_documents, n_tokens): ids as ``clf.encoder_`` gives them,
        of whole documents, 0 behind the end. Outputs ``probabilities``, float32 of shape
        (n_documents, n_classes), and ``label``, of shape (n_documents,). Write it with
        ``onnx.save``.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ValueError
        If the model reads something that this graph has no input for; the message names it.
    """
    return graph_of(clf.model_)


def graph_of(model: FittedModel) -> Any:
    """The same of the record that an estimator holds."""
    _refuse_other_inputs(model)
    g = Graph()
    logits, lengths = _logits(g, model)
    probabilities = _probabilities(g, model, logits, lengths)
    g.rename(g.cast(probabilities, np.float32), "probabilities")
    classes = model.classes
    dtype: Any = str if classes.dtype.kind == "U" else np.dtype(classes.dtype)
    g.rename(
        g.op("Gather", g.constant(classes), g.op("ArgMax", probabilities, axis=1, keepdims=0)),
        "label",
    )
    return g.model(
        {"ids": (np.int64, ["n_documents", "n_tokens"])},
        {
            "probabilities": (np.float32, ["n_documents", len(classes)]),
            "label": (dtype, ["n_documents"]),
        },
        {"made_by": "fastlstm"},
    )


def _refuse_other_inputs(model: FittedModel) -> None:
    beside = {
        "columns beside the text": model.reader is not None,
        "features of steps": model.steps is not None,
        "labels of steps": model.config.by_step,
    }
    found = [name for name, is_there in beside.items() if is_there]
    if found:
        raise ValueError(
            f"the model has {' and '.join(found)}, and an exported graph reads token ids alone. "
            "Fit one without."
        )


def _logits(g: Graph, model: FittedModel) -> tuple[str, str]:
    """Logits of the whole, float64, and the documents' lengths, int64 of shape (n, 1)."""
    whole = Rows.of(g, "ids")
    read = _as_networks_read(g, model, whole)
    found = [
        logits_of_network(g, model.config, each, longest_ngrams(g, model.ngrams, read))
        for each in model.networks
    ]
    total = found[0]
    for each in found[1:]:
        total = g.op("Add", total, each)
    mean = g.op("Div", total, float(len(found)))
    parts = [g.cast(mean, np.float64)]
    if model.linear is not None:
        parts.append(_linear_logits(g, model.linear, whole))
    logits = g.constant(model.blend.bias, np.float64)
    for share, part in zip(model.blend.shares, parts, strict=True):
        logits = g.op("Add", logits, g.op("Mul", g.constant(share, np.float64), part))
    return logits, whole.lengths


def _as_networks_read(g: Graph, model: FittedModel, whole: Rows) -> Rows:
    encoder = model.encoder
    n_tokens = model.ngrams.n_tokens
    known = g.op("Where", g.op("Less", whole.ids, n_tokens), whole.ids, UNK_ID)
    read = whole._replace(ids=known)
    if encoder is None or encoder.options.most_tokens is None:
        return read
    most, truncation = encoder.options.most_tokens, encoder.options.truncation
    return read.shortened(g, most, head_length(most, truncation))


def _linear_logits(g: Graph, linear, whole: Rows) -> str:
    """The sum of the weights of the distinct n-grams of each document."""
    tokens = g.op("Where", g.op("Greater", whole.ids, UNK_ID), whole.ids, 0)
    every = [tokens, *ngrams_of_each_length(g, linear.ngrams, whole)]
    joined = g.op("Concat", *every, axis=1)
    count = g.op("Gather", g.op("Shape", joined), [1])
    # Equal ones stand behind each other, and count once. Id 0 is none, and has no weight.
    ordered = g.ops("TopK", 2, joined, count, axis=1, largest=1, sorted=1)[0]
    before = g.op(
        "Slice", g.op("Pad", ordered, [0, 1, 0, 0], -1), [0], [-1], [1]
    )  # the one before each
    new = g.op("Not", g.op("Equal", ordered, before))
    weights = linear.weights.T.astype(np.float64)
    weights[: UNK_ID + 1] = 0
    values = g.op("Gather", g.constant(weights), ordered)
    counted = g.op("Mul", values, g.cast(g.op("Unsqueeze", new, [2]), np.float64))
    sums = g.op("ReduceSum", counted, [1], keepdims=0)
    return g.op("Add", sums, g.constant(linear.bias, np.float64))


def _probabilities(g: Graph, model: FittedModel, logits: str, lengths: str) -> str:
    prior = g.constant(np.atleast_1d(prior_logits(model.class_prior)), np.float64)
    logits = g.op("Where", g.op("Equal", lengths, 0), prior, logits)
    if len(model.classes) > 2:
        return g.op("Softmax", logits, axis=1)
    second = g.op("Sigmoid", logits)
    first = g.op("Sigmoid", g.op("Neg", logits))
    return g.op("Concat", first, second, axis=1)
