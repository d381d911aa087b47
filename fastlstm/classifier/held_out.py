"""Which documents each network leaves out, and what it says of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlstm.classifier.scoring import mean_logits
from fastlstm.estimator.validation import folds
from fastlstm.network.losses import soft_targets
from fastlstm.training.engine import LabelledSequences


class Part(NamedTuple):
    """What a network is trained on, and what its training leaves out.

    Attributes
    ----------
    train : LabelledSequences
    valid : LabelledSequences or None
    rows : int64 array or None
        Where ``valid`` is in the training documents, if it is from there.
    """

    train: LabelledSequences
    valid: LabelledSequences | None
    rows: np.ndarray | None


def hold_out_parts(data: LabelledSequences, share: float, n: int, seed: int) -> list[Part]:
    """A part for each of ``n`` networks; see ``validation.folds``."""
    parts = []
    for train, rows in folds(data.y, share, n, seed):
        if len(rows) and data.weight[train].any():
            parts.append(Part(data.take(train), data.take(rows), rows))
        else:
            parts.append(Part(data, None, None))
    return parts


def with_soft_labels(parts: list[Part], others: LabelledSequences, n_outputs: int) -> list[Part]:
    """The parts with further documents to train on, whose labels are probabilities.

    Labelled documents are repeated, where they are few, to be a third of all.
    """
    found = []
    for part in parts:
        train = part.train._replace(y=soft_targets(part.train.y, n_outputs))
        times = max(1, round(len(others.y) / (2 * max(1, len(train.y)))))
        found.append(part._replace(train=LabelledSequences.join([train] * times + [others])))
    return found


class HeldOut(NamedTuple):
    """Documents that no network which speaks of them was trained on.

    Attributes
    ----------
    rows : int64 array or None
        Where they are in the training documents, if they are from there.
    y : int64 array, shape (n_documents,)
    weight : float64 array, shape (n_documents,)
    logits : float array, shape (n_documents, n_outputs)
    """

    rows: np.ndarray | None
    y: np.ndarray
    weight: np.ndarray
    logits: np.ndarray


def of_held_out(networks, parts: list[Part], prior, n_threads: int) -> HeldOut | None:
    """What networks say of what they left out; None where that is nothing.

    Of documents from elsewhere, which are the same for all, their mean is taken.
    """
    found = [pair for pair in zip(networks, parts, strict=False) if pair[1].valid is not None]
    if not found:
        return None
    first = found[0][1]
    if first.rows is None:
        logits = mean_logits(networks, first.valid.sequences, prior, n_threads)
        return HeldOut(None, first.valid.y, first.valid.weight, logits)
    each = [network.logits(part.valid.sequences, prior, n_threads) for network, part in found]
    return HeldOut(
        np.concatenate([part.rows for _, part in found]),
        np.concatenate([part.valid.y for _, part in found]),
        np.concatenate([part.valid.weight for _, part in found]),
        np.concatenate(each),
    )
