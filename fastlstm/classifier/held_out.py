"""Which documents each network leaves out, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlstm.classifier.fitted import mean_logits
from fastlstm.network.losses import soft_targets
from fastlstm.network.predict import Network
from fastlstm.training.engine import LabelledSequences


class HeldOutPart(NamedTuple):
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


def hold_out_parts(data: LabelledSequences, share: float, n: int, seed: int) -> list[HeldOutPart]:
    """A part for each of ``n`` networks; see ``folds``.

    Documents whose steps have labels are not stratified. Those with a class that no other one
    has stay in training.
    """
    parts = []
    labels = np.zeros(data.sequences.n_documents) if data.by_step else data.y
    for train, rows in folds(labels, share, n, seed):
        if data.by_step:
            known = np.unique(data.take(train).y)
            needed = [row for row in rows if not np.isin(data.take(np.array([row])).y, known).all()]
            train, rows = np.union1d(train, needed).astype(np.int64), np.setdiff1d(rows, needed)
        held_out, others = data.take(rows), data.take(train)
        if len(held_out.y) and others.weight.any():
            parts.append(HeldOutPart(others, held_out, rows))
        else:
            parts.append(HeldOutPart(data, None, None))
    return parts


def with_soft_labels(
    parts: list[HeldOutPart], others: LabelledSequences, n_outputs: int
) -> list[HeldOutPart]:
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


def of_held_out(
    networks: Sequence[Network], parts: list[HeldOutPart], prior: np.ndarray, n_threads: int
) -> HeldOut | None:
    """What networks say of what they left out; None where that is nothing.

    Of documents from elsewhere, which are the same for all, their mean is taken.
    """
    found = [
        (network, part.valid, part.rows)
        for network, part in zip(networks, parts, strict=False)
        if part.valid is not None
    ]
    if not found:
        return None
    _, valid, rows = found[0]
    if rows is None:
        logits = mean_logits(networks, valid.sequences, prior, n_threads)
        return HeldOut(None, valid.y, valid.weight, logits)
    each = [network.logits(valid.sequences, prior, n_threads) for network, valid, _ in found]
    return HeldOut(
        np.concatenate([rows for _, _, rows in found if rows is not None]),
        np.concatenate([valid.y for _, valid, _ in found]),
        np.concatenate([valid.weight for _, valid, _ in found]),
        np.concatenate(each),
    )


def hold_out(labels: Any, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to score on: the only one of ``folds``."""
    return folds(labels, share, 1, seed)[0]


def folds(labels: Any, share: float, n: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and rows to score on, ``n`` times, stratified by label.

    No row is held out twice. Of each label with two or more rows at least one is held
    out in the first of them; a single one stays in training.

    Parameters
    ----------
    labels : sequence
    share : float in (0, 1)
        Of the rows that each holds out, at most ``1 / n``.
    n : int
    seed : int

    Returns
    -------
    list of pairs of int64 arrays
        Each in order.
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(labels)
    fold = np.full(len(labels), n)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        if len(rows) > 1:
            size = max(1, round(min(share, 1 / n) * len(rows)))
            fold[rows[: n * size]] = np.repeat(np.arange(n), size)[: len(rows)]
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(n)]
