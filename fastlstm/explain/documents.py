"""Explanations of documents by a whole model: networks and linear part."""

from __future__ import annotations

import numpy as np

from fastlstm.classifier.fitted import Scorer
from fastlstm.core.methods import METHODS
from fastlstm.core.records import UNK_ID, Encoded, TokenSequences
from fastlstm.core.threads import effective_n_jobs
from fastlstm.explain.gradients import gradient_times_input, integrated_gradients
from fastlstm.explain.linear import linear_contributions
from fastlstm.explain.occlusion import occlude, pieces
from fastlstm.explain.records import Explanation, Explanations
from fastlstm.explain.relevance import relevance
from fastlstm.explain.rows import Contributions, Terms, attention_shares
from fastlstm.network.losses import predicted_class, probabilities
from fastlstm.network.predict import prior_logits
from fastlstm.side.reader import Documents, read_documents
from fastlstm.text.documents import OF_ESTIMATOR, OF_OTHERS
from fastlstm.text.offsets import token_offsets

# Gap that integrated gradients may leave: a share of the difference of the logits, but
# not less than some thousandth of a logit.
RELATIVE_GAP, ABSOLUTE_GAP = 0.01, 0.001

# Documents that are explained before the next ones begin, and tokens of them whose
# projections are in memory together.
_DOCUMENTS_AT_ONCE = 64
_TOKENS_AT_ONCE = 8192


class _Predicted:
    """Of each document the class that it is predicted as."""

    def __repr__(self):
        return "PREDICTED"


PREDICTED = _Predicted()


def reading_of(clf, X, X_side=None) -> tuple[Scorer, Documents, int]:
    """What explanations need: the model ready to predict, the documents, how many threads.

    Parameters
    ----------
    clf : LSTMSentimentClassifier or Predictor
        Fitted.
    X : documents
    X_side : 2-D array of numbers or None

    Raises
    ------
    TypeError
        If it does not read texts.
    """
    scorer = getattr(clf, "scorer_", None)
    if scorer is None or scorer.model.encoder is None:
        raise TypeError(
            f"clf is a {type(clf).__name__}; pass an LSTMSentimentClassifier or a Predictor."
        )
    mend = OF_ESTIMATOR if hasattr(clf, "set_params") else OF_OTHERS
    documents = read_documents(
        scorer.model.reader, X, X_side, missing=clf.missing, allow_empty=True, mend=mend
    )
    return scorer, documents, effective_n_jobs(clf.n_jobs)


def explain_documents(
    scorer: Scorer, documents: Documents | list[str], method="integrated_gradients", target=None,
    n_threads: int = 1, report=None,
) -> Explanations:  # fmt: skip
    """What each token of each document, and what stands beside it, adds to the logits.

    Parameters
    ----------
    scorer : Scorer
        Of a model of texts.
    documents : Documents, or list of str where the model reads texts alone
    method : {"integrated_gradients", "lrp", "gradient_x_input", "occlusion"}
    target : label, PREDICTED or None
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
    scorer = scorer.with_slopes()
    if not isinstance(documents, Documents):
        documents = Documents(documents)
    explained: dict[int, Explanation] = {}
    n = len(documents.texts)
    for rows, targets in _jobs(scorer, documents, target, n_threads):
        for first in range(0, len(rows), _DOCUMENTS_AT_ONCE):
            some = rows[first : first + _DOCUMENTS_AT_ONCE]
            found = _some(scorer, documents.take(some), method, targets, n_threads)
            for row, explanation in zip(some, found, strict=True):
                explained[row] = explanation
            if report is not None:
                report(len(explained) / n)
    return Explanations(explained[row] for row in range(n))


def _jobs(scorer, documents, target, n_threads) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of documents, and indices of the classes to explain for them."""
    classes, encoder = scorer.model.classes, scorer.model.encoder
    rows = np.arange(len(documents.texts))
    # One logit stands for two classes: both cost as much as one.
    if target is not PREDICTED or len(classes) == 2:
        return [(rows, _targets(classes, None if target is PREDICTED else target))]
    encoded = documents.of(encoder.encode(documents.texts))
    likely = predicted_class(scorer.logits(encoded, n_threads))
    return [(rows[likely == index], np.array([index])) for index in np.unique(likely)]


def _targets(classes, target) -> np.ndarray:
    """Indices of the classes to explain."""
    if target is None:
        return np.arange(len(classes))
    found = [index for index, label in enumerate(classes.tolist()) if label == target]
    if len(found) != 1:
        raise ValueError(
            f"target={target!r} is none of the classes {classes.tolist()}; pass one of them, or "
            "None for all."
        )
    return np.array(found)


def _some(scorer, documents, method, targets, n_threads) -> list[Explanation]:
    classes, encoder, texts = scorer.model.classes, scorer.model.encoder, documents.texts
    tokens = [encoder.tokenize(text) for text in texts]
    whole = encoder.read(texts)
    # One logit stands for two classes, with opposite signs.
    one = len(classes) == 2
    outputs = np.zeros(1, dtype=np.int64) if one else targets
    found = _explain(scorer, whole, documents.side, method, outputs, n_threads)
    names, beside = _beside(scorer, documents.side, len(texts), outputs)
    read = np.zeros(len(whole.ids), dtype=bool)
    read[encoder.places_read(whole)] = True
    attention = _attention(scorer, whole, documents.side, n_threads)
    sign = np.where(targets == 0, -1.0, 1.0) if one else np.ones(len(targets))
    column = np.zeros(len(targets), dtype=np.int64) if one else np.arange(len(targets))
    own = column if one else targets
    likely = predicted_class(found.logits)
    chances = probabilities(found.logits)
    explanations = []
    for row, text in enumerate(texts):
        part = slice(*whole.offsets[row : row + 2])
        positions = sign * found.positions[part][:, column]
        logits, baseline = sign * found.logits[row, own], sign * found.baseline[row, own]
        of_columns = sign * beside[row][:, column]
        explanations.append(Explanation(
            text=text,
            tokens=tuple(tokens[row]),
            offsets=token_offsets(
                text, tokens[row], encoder.options.lowercase, encoder.options.tokenizer,
                encoder.options.normalize, encoder.options.zh_script,
            ),
            contributions=positions,
            targets=classes[targets],
            logits=logits,
            baseline=baseline,
            gap=logits - baseline - positions.sum(axis=0) - of_columns.sum(axis=0),
            read=read[part],
            known=whole.ids[part] != UNK_ID,
            predicted=classes[likely[row]],
            probability=float(chances[row, likely[row]]),
            method=method,
            passes=int(found.passes[row]),
            columns=names,
            beside=of_columns,
            attention=None if attention is None else attention[part],
        ))  # fmt: skip
    return explanations


def _attention(scorer, whole: TokenSequences, side, n_threads) -> np.ndarray | None:
    """The share of each token in the networks' pooling, where that is attention."""
    if not scorer.model.config.has_attention:
        return None
    shares = np.zeros(len(whole.ids))
    rows = np.flatnonzero(whole.lengths)
    if len(rows):
        encoder = scorer.model.encoder
        sequences = scorer.model.ngrams.longest(encoder.shorten(whole.take(rows)))
        if side is not None:  # no weight of attention depends on it
            sequences = sequences._replace(side=side[rows])
        shares[encoder.places_read(whole)] = attention_shares(scorer.networks, sequences, n_threads)
    return shares


def _beside(scorer, side, n, outputs) -> tuple[tuple[str, ...], np.ndarray]:
    """Columns beside the texts, and what each adds: (n_documents, n_columns, n_targets)."""
    reader = scorer.model.reader
    if reader is None or side is None:
        return (), np.zeros((n, 0, len(outputs)))
    weights = scorer.side_weights()[outputs]
    of_columns = reader.columns(side)
    of_weights = reader.columns(weights)
    added = [
        np.einsum("ns,os->no", numbers.astype(np.float64), of_weights[name])
        for name, numbers in of_columns.items()
    ]
    return tuple(of_columns), np.stack(added, axis=1)


def _explain(scorer, whole: TokenSequences, side, method, outputs, n_threads) -> Contributions:
    """Contributions to the whole model's logits.

    Documents without a token, and with nothing beside them, have the prior's. The baseline has
    nothing beside it, which is the mean of the training documents.
    """
    empty = np.flatnonzero(whole.lengths == 0) if side is not None else np.zeros(0, dtype=int)
    if side is not None:
        whole = Encoded(whole).beside(side).sequences._replace(side=None)
    logits = np.tile(
        prior_logits(scorer.model.class_prior).astype(np.float64), (whole.n_documents, 1)
    )
    baseline, passes = logits.copy(), np.zeros(whole.n_documents, dtype=np.int64)
    rows = np.flatnonzero(whole.lengths)
    if len(rows) == 0:
        return Contributions(np.zeros((0, len(outputs))), logits, baseline, passes)
    positions = []  # empty documents have none
    for first, part in whole.take(rows).runs(_TOKENS_AT_ONCE):
        own = rows[first : first + part.n_documents]
        beside = None if side is None else side[own]
        if method == "occlusion":
            found = _by_occlusion(scorer, part, beside, outputs, n_threads)
        else:
            found = _of_components(scorer, part, beside, method, outputs, n_threads)
        of_part, logits[own], baseline[own], passes[own] = found
        positions.append(of_part)
    of_tokens = np.concatenate(positions)
    # An empty text, read as an unknown token, is part of what is compared with.
    places = whole.offsets[empty]
    baseline[np.ix_(empty, outputs)] += of_tokens[places]
    return Contributions(np.delete(of_tokens, places, axis=0), logits, baseline, passes)


def _by_occlusion(scorer, whole, side, outputs, n_threads) -> Contributions:
    logits = scorer.logits_of_whole(whole, n_threads, side)
    found = []
    for row, of_whole in enumerate(logits):

        def without(rest, n_threads, row=row):
            beside = None if side is None else np.repeat(side[row : row + 1], rest.n_documents, 0)
            return scorer.logits_of_whole(rest, n_threads, beside)

        found.append(occlude(without, whole.document(row), of_whole, n_threads))
    baseline = np.tile(prior_logits(scorer.model.class_prior), (whole.n_documents, 1))
    passes = np.array([1 + len(pieces(n)) for n in whole.lengths])
    return Contributions(np.concatenate(found)[:, outputs], logits, baseline, passes)


def _of_components(scorer, whole, side, method, outputs, n_threads) -> Contributions:
    """The components' contributions, weighed as the components are."""
    model, encoder = scorer.model, scorer.model.encoder
    share, *others = model.blend.shares
    linear = None
    beside = np.zeros((whole.n_documents, len(outputs)))
    if model.linear is not None:
        linear = linear_contributions(model.linear, whole, outputs)
        beside = others[0] * (linear.logits - linear.baseline)[:, outputs]

    def tolerable(row, difference):
        # The difference of the networks counts with their share, beside the linear part's.
        size = np.abs(share * difference + beside[row])
        return np.maximum(RELATIVE_GAP * size, ABSOLUTE_GAP) / max(share, 1e-12)

    sequences = encoder.shorten(whole)
    if side is not None:  # what it adds is known without them
        sequences = sequences._replace(side=np.zeros_like(side))
    arguments = scorer.networks, Terms.of(model.ngrams, sequences), sequences, outputs
    if method == "integrated_gradients":
        deep = integrated_gradients(*arguments, tolerable, n_threads)
    else:
        compute = relevance if method == "lrp" else gradient_times_input
        deep = compute(*arguments, n_threads)
    positions = np.zeros((len(whole.ids), len(outputs)))
    positions[encoder.places_read(whole)] = share * deep.positions
    logits = model.blend.bias + share * deep.logits
    baseline = model.blend.bias + share * deep.baseline
    if linear is not None:
        positions += others[0] * linear.positions
        logits += others[0] * linear.logits
        baseline += others[0] * linear.baseline
    if side is not None:
        logits += np.einsum("ns,os->no", side.astype(np.float64), scorer.side_weights())
    if model.side is not None:
        logits += others[-1] * model.side.bias
        baseline += others[-1] * model.side.bias
    return Contributions(positions, logits, baseline, deep.passes)
