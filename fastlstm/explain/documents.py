"""Explanations of documents by a whole model: networks and linear part."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.core.records import UNK_ID, TokenSequences
from fastlstm.explain.gradients import gradient_times_input, integrated_gradients
from fastlstm.explain.linear import linear_contributions
from fastlstm.explain.occlusion import MOST_PIECES, occlude
from fastlstm.explain.records import METHODS, Explanation
from fastlstm.explain.relevance import relevance
from fastlstm.explain.rows import Contributions, Terms
from fastlstm.inference import prior_logits
from fastlstm.losses import predicted_class, probabilities
from fastlstm.scoring import Encoded, Scorer
from fastlstm.text.encoder import TextEncoder
from fastlstm.text.offsets import token_offsets

# Gap that integrated gradients may leave: a share of the difference of the logits, but
# not less than some thousandth of a logit.
RELATIVE_GAP, ABSOLUTE_GAP = 0.01, 0.001

# Documents that are explained before the next ones begin.
_DOCUMENTS_AT_ONCE = 64


class Model(NamedTuple):
    """What an explanation needs of a fitted model.

    Attributes
    ----------
    scorer : Scorer
    encoder : TextEncoder
    classes : array, shape (n_classes,)
    """

    scorer: Scorer
    encoder: TextEncoder
    classes: np.ndarray


def explain_documents(
    model: Model, texts: list[str], method="integrated_gradients", target=None, n_threads: int = 1,
    report=None,
) -> list[Explanation]:  # fmt: skip
    """What each token of each document adds to the logits.

    Parameters
    ----------
    model : Model
    texts : list of str
    method : {"integrated_gradients", "lrp", "gradient_x_input", "occlusion"}
    target : label or None
        The class whose logit is explained; None explains those of all classes.
    n_threads : int
    report : callable or None
        Called with the share of documents that are done.

    Raises
    ------
    ValueError
        If there is no such method or class.
    """
    if method not in METHODS:
        names = ", ".join(map(repr, METHODS))
        raise ValueError(f"method={method!r} is not known; use one of {names}.")
    targets = _targets(model.classes, target)
    explained = []
    for first in range(0, len(texts), _DOCUMENTS_AT_ONCE):
        explained += _some(model, texts[first : first + _DOCUMENTS_AT_ONCE], method, targets,
                           n_threads)  # fmt: skip
        if report is not None:
            report(len(explained) / len(texts))
    return explained


def _targets(classes, target) -> np.ndarray:
    """Indices of the classes to explain."""
    if target is None:
        return np.arange(len(classes))
    found = np.flatnonzero(classes == target)
    if not len(found):
        raise ValueError(f"target={target!r} is none of the classes {classes.tolist()}.")
    return found


def _some(model, texts, method, targets, n_threads) -> list[Explanation]:
    encoder = model.encoder
    tokens = [encoder.tokenize(text) for text in texts]
    whole = encoder.read(texts)
    # One logit stands for two classes, with opposite signs.
    one = len(model.classes) == 2
    outputs = np.zeros(1, dtype=np.int64) if one else targets
    found = _explain(model, whole, method, outputs, n_threads)
    read = np.zeros(len(whole.ids), dtype=bool)
    read[encoder.places_read(whole)] = True
    sign = np.where(targets == 0, -1.0, 1.0) if one else np.ones(len(targets))
    column = np.zeros(len(targets), dtype=np.int64) if one else np.arange(len(targets))
    own = column if one else targets
    likely = predicted_class(found.logits)
    chances = probabilities(found.logits)
    named = isinstance(encoder.tokenizer, str)
    explanations = []
    for row, text in enumerate(texts):
        part = slice(*whole.offsets[row : row + 2])
        positions = sign * found.positions[part][:, column]
        logits, baseline = sign * found.logits[row, own], sign * found.baseline[row, own]
        explanations.append(Explanation(
            text=text,
            tokens=tuple(tokens[row]),
            offsets=token_offsets(text, tokens[row], encoder.lowercase, named),
            contributions=positions,
            targets=model.classes[targets],
            logits=logits,
            baseline=baseline,
            gap=logits - baseline - positions.sum(axis=0),
            read=read[part],
            known=whole.ids[part] != UNK_ID,
            predicted=model.classes[likely[row]],
            probability=float(chances[row, likely[row]]),
            method=method,
            passes=int(found.passes[row]),
        ))  # fmt: skip
    return explanations


def _explain(model, whole: TokenSequences, method, outputs, n_threads) -> Contributions:
    """Contributions to the whole model's logits; documents without a token have the prior's."""
    scorer = model.scorer
    logits = np.tile(prior_logits(scorer.prior).astype(np.float64), (whole.n_documents, 1))
    baseline, passes = logits.copy(), np.zeros(whole.n_documents, dtype=np.int64)
    rows = np.flatnonzero(whole.lengths)
    if len(rows) == 0:
        return Contributions(np.zeros((0, len(outputs))), logits, baseline, passes)
    there = whole.take(rows)
    if method == "occlusion":
        found = _by_occlusion(model, there, outputs, n_threads)
    else:
        found = _of_parts(model, there, method, outputs, n_threads)
    positions, logits[rows], baseline[rows], passes[rows] = found
    return Contributions(positions, logits, baseline, passes)  # empty documents have no positions


def _by_occlusion(model, whole, outputs, n_threads) -> Contributions:
    def encode(sequences):
        return Encoded(model.encoder.shorten(sequences), sequences)

    logits = model.scorer.logits(encode(whole), n_threads)
    found = [
        occlude(model.scorer, encode, whole.document(row), of_whole, n_threads)
        for row, of_whole in enumerate(logits)
    ]
    baseline = np.tile(prior_logits(model.scorer.prior), (whole.n_documents, 1))
    passes = 1 + np.minimum(whole.lengths, MOST_PIECES)
    return Contributions(np.concatenate(found)[:, outputs], logits, baseline, passes)


def _of_parts(model, whole, method, outputs, n_threads) -> Contributions:
    """The parts' contributions, weighed as the parts are."""
    scorer, encoder = model.scorer, model.encoder
    share, *others = scorer.blend.shares
    linear = None
    beside = np.zeros((whole.n_documents, len(outputs)))
    if scorer.wide is not None:
        linear = linear_contributions(scorer.wide, whole, outputs)
        beside = others[0] * (linear.logits - linear.baseline)[:, outputs]

    def tolerable(row, difference):
        # The difference of the networks counts with their share, beside the linear part's.
        size = np.abs(share * difference + beside[row])
        return np.maximum(RELATIVE_GAP * size, ABSOLUTE_GAP) / max(share, 1e-12)

    sequences = encoder.shorten(whole)
    arguments = scorer.networks, Terms.of(scorer.ngrams, sequences), sequences, outputs
    if method == "integrated_gradients":
        deep = integrated_gradients(*arguments, tolerable, n_threads)
    else:
        compute = relevance if method == "lrp" else gradient_times_input
        deep = compute(*arguments, n_threads)
    positions = np.zeros((len(whole.ids), len(outputs)))
    positions[encoder.places_read(whole)] = share * deep.positions
    logits = scorer.blend.bias + share * deep.logits
    baseline = scorer.blend.bias + share * deep.baseline
    if linear is not None:
        positions += others[0] * linear.positions
        logits += others[0] * linear.logits
        baseline += others[0] * linear.baseline
    return Contributions(positions, logits, baseline, deep.passes)
