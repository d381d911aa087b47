"""A fit that keeps a promise of privacy: what it must leave alone, and what its steps are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastlstm.classifier.blend import Blend
from fastlstm.classifier.data import FitData
from fastlstm.classifier.fitted import FittedModel
from fastlstm.classifier.linear_part import LinearPart, features
from fastlstm.classifier.networks import n_epochs
from fastlstm.core.options import Options
from fastlstm.core.records import Encoded
from fastlstm.privacy.accounting import NoisySteps, noise_for
from fastlstm.privacy.linear import (
    N_BLEND_STEPS,
    N_STEPS,
    Features,
    noisy_blend,
    noisy_regression,
)
from fastlstm.privacy.noise import streams
from fastlstm.privacy.record import PrivacyRecord
from fastlstm.privacy.selection import Selection, select_tokens
from fastlstm.privacy.settings import Privacy
from fastlstm.privacy.training import Plan
from fastlstm.text.encoder import TextEncoder, TextOptions, every_token, truncate
from fastlstm.text.ngrams import NGrams
from fastlstm.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from fastlstm.training.history import EpochRecord

# Repeatable noise of these is not that of any network.
_OF_VOCABULARY, _OF_LINEAR, _OF_BLEND, _OF_CALL = 1 << 32, 2 << 32, 3 << 32, 4 << 32


class PrivateFit(NamedTuple):
    """How the networks of a private fit are trained.

    Attributes
    ----------
    plan : Plan
    record : PrivacyRecord
    n_epochs : int
    linear, blend : NoisySteps or None
        Of a linear part beside them, and of how much it counts.
    """

    plan: Plan
    record: PrivacyRecord
    n_epochs: int
    linear: NoisySteps | None = None
    blend: NoisySteps | None = None

    def without_counts(self, model: FittedModel) -> FittedModel:
        """The model, whose record tells nothing of the documents but what is promised.

        Not even how long an epoch took, which depends on their lengths.
        """
        record = model.record
        history = tuple(
            EpochRecord(
                epoch=each["epoch"], network=each["network"], learning_rate=each["learning_rate"]
            )  # fmt: skip
            for each in record.history
        )
        even = np.ones(len(record.class_count))
        record = replace(
            record, history=history, class_count=even, truncated_share=None, coverage=None,
            privacy=self.record,
        )  # fmt: skip
        return replace(model, record=record, class_prior=even / even.sum())


def leaks_of(options: Options, valid: bool, unlabelled: bool) -> list[str]:
    """What reads the documents without noise, or lets one change what another one counts.

    Parameters
    ----------
    options : Options
    valid, unlabelled : bool
        Whether there are such documents.

    Returns
    -------
    mends : list of str
        What to set instead.
    """
    skipgram = isinstance(options.word_vectors, str) and options.word_vectors == "skipgram"
    leaks = {
        "early_stopping=False": options.early_stopping,
        "calibrate=False": options.calibrate,
        "ngrams=1": options.ngrams != 1,
        # A mask depends on where a document stands among others, so they would change its gradient.
        "dropout=0": options.dropout,
        "embedding_dropout=0": options.embedding_dropout,
        "token_dropout=0": options.token_dropout,
        "word_vectors=None, or vectors from elsewhere": skipgram,
        'pooling="max", or another than "auto"': options.pooling == "auto",
        'segment_state="fresh", or another than "auto"': options.segment_state == "auto",
        # Products of the second pass would be rounded otherwise than the norms of the first.
        'precision="float32"': options.precision != "float32",
        "no X_val": valid,
        "no X_unlabelled": unlabelled,
    }
    return [mend for mend, does in leaks.items() if does]


def leaks_of_columns(data: FitData) -> list[str]:
    """The same of what stands beside documents or their steps."""
    leaks = {
        "side=None, and pass texts alone": data.reader is not None,
        "no features of steps": data.steps is not None,
    }
    return [mend for mend, does in leaks.items() if does]


def private_fit(
    privacy: Privacy, data: FitData, options: Options, seed: int | None,
    spent: tuple[NoisySteps, ...] = (), linear: bool = False, start: FittedModel | None = None,
) -> PrivateFit:  # fmt: skip
    """The steps of a fit, with as much noise as the promise asks for.

    Parameters
    ----------
    privacy : Privacy
    data : FitData
    options : Options
    seed : int or None
        Of repeatable noise; None draws from a cryptographic source.
    spent : tuple of NoisySteps
        What has read the documents already.
    linear : bool
        Whether there is to be a linear part, too; then ``privacy`` has ``epsilon``.
    start : FittedModel or None
        What is trained further; what it has spent counts, too.

    Raises
    ------
    ValueError
        If ``unit`` has another length than there are documents, or no noise is enough.
    ImportError
        If a package of ``fastlstm[privacy]`` is missing.
    """
    unit = privacy.units_of(data.train.encoded.n_documents)
    n = int(unit.max(initial=-1)) + 1
    rate = min(1.0, privacy.expected_batch_size / n)
    epochs = n_epochs(options._replace(batch_size=privacy.expected_batch_size), n)
    steps = math.ceil(1 / rate)
    there = 0 if start is None else len(start.networks)
    grows = there < int(options.n_estimators)
    n_networks = int(options.n_estimators) - there * grows
    part = NoisySteps("networks", rate, 0.0, epochs * steps * n_networks)
    of_linear = of_blend = None
    if linear:
        of_blend = _of_share(privacy, n, "blend", privacy.blend_share, N_BLEND_STEPS)
        spent = (*spent, of_blend)
    if linear and grows == (start is None):  # where networks are added alone, it stays
        of_linear = _of_share(privacy, n, "linear part", privacy.linear_share, N_STEPS)
        spent = (*spent, of_linear)
    record = PrivacyRecord.of(privacy, (part,), n, seed is not None, spent)
    noise = record.parts[-1].noise_multiplier
    before = None if start is None else start.record.privacy
    if before is not None:
        record = record.after(before)
        seed = None if seed is None else seed + len(before.parts) * _OF_CALL  # noise of its own
    plan = Plan(unit, n, rate, noise, float(privacy.max_grad_norm), steps, seed)
    return PrivateFit(plan, record, epochs, of_linear, of_blend)


def _of_share(privacy: Privacy, n: int, what: str, share: float, steps: int) -> NoisySteps:
    """Steps of all units, as noisy as would alone promise a share of epsilon."""
    assert privacy.epsilon is not None, "else there is no linear part"
    part = NoisySteps(what, 1.0, 0.0, steps)
    noise = noise_for(share * privacy.epsilon, privacy.delta_of(n), [part])
    return part._replace(noise_multiplier=noise)


def private_blend(private: PrivateFit, data: FitData, logits: list[np.ndarray]) -> Blend:
    """How much the networks and the linear part count, whose logits these are."""
    assert private.blend is not None, "there are two components"
    seed = private.plan.seed
    (stream,) = streams(1, None if seed is None else seed + _OF_BLEND)
    train = data.train
    return Blend(
        *noisy_blend(logits, train.y, train.weight, private.plan.unit, private.blend, stream)
    )


def private_linear_part(
    private: PrivateFit, data: FitData, report: Callable[[float], None] | None = None
) -> LinearPart:
    """Logistic regression on the tokens of whole documents, by noisy steps."""
    part, whole = private.linear, data.train.encoded.whole
    assert part is not None and whole is not None, "a linear part reads whole texts"
    none = NGrams(data.n_tokens, np.empty((0, 2), dtype=np.int32))
    found = Features(*features(none, whole), whole.n_documents, data.n_tokens)
    outputs = [1] if data.n_outputs == 1 else np.arange(data.n_outputs)
    target = (data.train.y[:, None] == outputs).astype(np.float64)
    seed = private.plan.seed
    (stream,) = streams(1, None if seed is None else seed + _OF_LINEAR)
    weights, bias = noisy_regression(
        found, target, data.train.weight, private.plan.unit, part, stream, report
    )  # fmt: skip
    weights[:, : len(SPECIAL_TOKENS)] = 0  # no document has them
    return LinearPart(none, weights.astype(np.float32), bias.astype(np.float32))


def private_encoder(
    privacy: Privacy, texts: list[str], options: TextOptions, seed: int | None
) -> tuple[TextEncoder, Encoded, NoisySteps]:
    """An encoder with tokens that enough units have, and what choosing them has spent.

    Parameters
    ----------
    privacy : Privacy
        With ``epsilon``.
    texts : list of str
    options : TextOptions
        With a settled ``max_length``.
    seed : int or None
        Of repeatable noise; None draws from a cryptographic source.

    Raises
    ------
    ValueError
        If ``unit`` has another length than there are texts, no noise is enough, or no token
        is left.
    ImportError
        If a package of ``fastlstm[privacy]`` is missing.
    """
    assert privacy.epsilon is not None, "else the vocabulary is given"
    unit = privacy.units_of(len(texts))
    n = int(unit.max(initial=-1)) + 1
    share = privacy.vocabulary_share * privacy.epsilon
    selection = Selection.promising(share, privacy.delta_of(n))
    words, whole = every_token(texts, options)
    read = truncate(whole, options.most_tokens, options.truncation)
    (stream,) = streams(1, None if seed is None else seed + _OF_VOCABULARY)
    kept = select_tokens(
        np.repeat(unit, read.lengths), read.ids, len(words), selection, stream
    )  # fmt: skip
    chosen = [words[i] for i in kept if words[i] not in SPECIAL_TOKENS][: options.max_features]
    if not chosen:
        raise ValueError(
            "no token stands in so many documents that it could be kept with privacy= of epsilon="
            f"{privacy.epsilon:g}. Pass vocabulary= from elsewhere, raise epsilon or "
            "vocabulary_share, or train on more documents."
        )
    encoder = TextEncoder(options, Vocabulary(chosen), len(SPECIAL_TOKENS) + len(chosen))
    return encoder, encoder.encoded(words, whole), selection.part
