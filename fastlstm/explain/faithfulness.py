"""How well an order of tokens says what the model goes by.

Deletion and insertion curves (Petsiuk, Das and Saenko 2018, "RISE"): tokens are taken
away, the most important first, and the probability of the predicted class should fall
soon; or they are put into an empty document, and it should rise soon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastlstm.classifier.fitted import Scorer
from fastlstm.core.methods import METHODS
from fastlstm.core.records import TokenSequences
from fastlstm.explain.documents import explain_documents, reading_of
from fastlstm.network.losses import predicted_class, probabilities

OTHERS = ("random", "lime")

# Points of a curve, both ends included.
N_POINTS = 21


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Curves of one method.

    Attributes
    ----------
    method : str
    shares : float array, shape (n_points,)
        Of the tokens that are taken away, or put in.
    deletion, insertion : float arrays, shape (n_documents, n_points)
        Probability of the class that the whole document is predicted as.
    deletion_areas, insertion_areas : float arrays, shape (n_documents,)
        Below the curves. Of a faithful method the former is small, the latter large.
    passes : int array, shape (n_documents,)
        Forward passes over the whole document that the order cost.
    """

    method: str
    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    passes: np.ndarray

    @property
    def deletion_areas(self) -> np.ndarray:
        return _area(self.deletion, self.shares)

    @property
    def insertion_areas(self) -> np.ndarray:
        return _area(self.insertion, self.shares)

    def __str__(self) -> str:
        return (
            f"{self.method}: deletion area {self.deletion_areas.mean():.3f}, insertion area "
            f"{self.insertion_areas.mean():.3f}, {np.mean(self.passes):.0f} passes a document, "
            f"{len(self.deletion)} documents"
        )


def _area(curves, shares) -> np.ndarray:
    from scipy.integrate import trapezoid

    return trapezoid(curves, shares, axis=1)


def faithfulness(
    clf, texts, method="integrated_gradients", *, lime_samples=None, random_state=0, X_side=None
) -> Faithfulness:
    """Deletion and insertion curves of a method on some documents.

    Parameters
    ----------
    clf : LSTMSentimentClassifier or Predictor
        Fitted.
    texts : documents
        Those without a token are left out.
    method : str
        One of ``METHODS``; "random", an order by chance; or "lime" (Ribeiro, Singh and
        Guestrin 2016), which needs ``pip install lime``.
    lime_samples : int or None
        Texts that "lime" reads for each document, with half of its tokens on average. None
        takes as many as make its cost that of integrated gradients, counted in tokens.
    random_state : int
        For "random" and "lime".
    X_side : 2-D array of numbers or None
        Vectors beside the texts, of a model that was fitted with such.

    Raises
    ------
    ValueError
        If there is no such method, or no document with a token.
    """
    if method not in (*METHODS, *OTHERS):
        names = ", ".join(map(repr, (*METHODS, *OTHERS)))
        raise ValueError(f"method={method!r} is not known; use one of {names}.")
    if lime_samples is not None and lime_samples < 2:
        raise ValueError(f"lime_samples={lime_samples} is too few; pass 2 or more, or None.")
    scorer, documents, n_threads = reading_of(clf, texts, X_side)
    whole = scorer.model.text_encoder.read(documents.texts)
    rows = np.flatnonzero(whole.lengths)
    if not len(rows):
        raise ValueError("no document has a token: pass documents with words.")
    whole, documents = whole.take(rows), documents.take(rows)
    subsets = _Subsets(scorer, whole, documents.side, n_threads)
    likely = subsets.predicted()
    if method in METHODS:
        scores, passes = _scores(scorer, documents, method, likely, n_threads)
    elif method == "random":
        rng = np.random.default_rng(random_state)
        scores = [rng.random(n) for n in whole.lengths]
        passes = np.zeros(len(rows), dtype=np.int64)
    else:
        if lime_samples is None:
            samples = 2 * _scores(scorer, documents, METHODS[0], likely, n_threads)[1]
        else:
            samples = np.full(len(rows), lime_samples)
        scores = [
            _lime(subsets, row, likely[row], int(samples[row]), random_state)
            for row in range(len(rows))
        ]
        passes = samples // 2
    return _curves(method, subsets, likely, scores, passes)


class _Subsets:
    """Probabilities of documents of which some tokens, and all beside them, are left."""

    def __init__(self, scorer: Scorer, whole: TokenSequences, side, n_threads: int):
        self.scorer, self.whole, self.side, self.n_threads = scorer, whole, side, n_threads

    def predicted(self) -> np.ndarray:
        """Most likely class of each whole document."""
        return predicted_class(self._logits(self.whole, self.side))

    def of(self, document: int, kept: list[np.ndarray]) -> np.ndarray:
        """Class probabilities with the tokens ``kept`` (rising), shape (len(kept), n_classes)."""
        ids = self.whole.document(document)
        offsets = np.cumsum([0, *map(len, kept)]).astype(np.int64)
        left = np.concatenate([ids[places] for places in kept]).astype(np.int32)
        side = None
        if self.side is not None:
            side = np.repeat(self.side[document : document + 1], len(kept), axis=0)
        return probabilities(self._logits(TokenSequences(left, offsets), side))

    def _logits(self, whole, side):
        return self.scorer.logits_of_whole(whole, self.n_threads, side)


def _scores(scorer, documents, method, likely, n_threads):
    """Contribution of each token to the predicted class, and what that cost."""
    scores, passes = [], []
    for row, index in enumerate(likely):
        target = scorer.model.classes[index]
        (found,) = explain_documents(scorer, documents.take([row]), method, target, n_threads)
        scores.append(found.contributions[:, 0])
        passes.append(found.passes)
    return scores, np.array(passes)


def _lime(subsets, row, index, n_samples, random_state) -> np.ndarray:
    """LIME's weight of each token; each stands for itself, wherever else it occurs."""
    try:
        from lime.lime_text import LimeTextExplainer
    except ImportError as error:
        raise ImportError(
            'method="lime" needs LIME, which is not installed: pip install lime'
        ) from error
    n = int(subsets.whole.lengths[row])
    explainer = LimeTextExplainer(split_expression=" ", random_state=random_state)

    def predict(texts):
        kept = [np.array([int(name) for name in text.split()], dtype=np.int64) for text in texts]
        return subsets.of(row, kept)

    found = explainer.explain_instance(
        " ".join(map(str, range(n))), predict, labels=[int(index)], num_features=n,
        num_samples=n_samples,
    )  # fmt: skip
    scores = np.zeros(n)
    for name, weight in found.as_list(int(index)):
        scores[int(name)] = weight
    return scores


def _curves(method, subsets, likely, scores, passes) -> Faithfulness:
    shares = np.linspace(0, 1, N_POINTS)
    deletion, insertion = [], []
    for row, of_tokens in enumerate(scores):
        order = np.argsort(-of_tokens, kind="stable")
        counts = np.round(shares * len(order)).astype(np.int64)
        left = [np.sort(order[count:]) for count in counts]
        put_in = [np.sort(order[:count]) for count in counts]
        found = subsets.of(row, left + put_in)[:, likely[row]]
        deletion.append(found[:N_POINTS])
        insertion.append(found[N_POINTS:])
    return Faithfulness(method, shares, np.stack(deletion), np.stack(insertion), passes)
