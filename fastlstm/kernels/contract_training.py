"""What a backend computes for training alone: a part of ``contract.Kernels``, whose rules hold."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class TrainingKernels(Protocol):
    """Steps of optimisers, word vectors, and the linear part's logistic regression."""

    # -- optimisers --

    def squared_norm(self, x: np.ndarray) -> float:
        """Sum of squares of a 1-D float array, in double precision."""

    def adam_update(
        self,
        table: np.ndarray,
        rows: np.ndarray,
        gradient: np.ndarray,
        m: np.ndarray,
        v: np.ndarray,
        scale: float,
        rate: float,
        decay: float,
        beta1: float,
        beta2: float,
        correction1: float,
        correction2: float,
        epsilon: float,
    ) -> None:
        """One Adam step on some rows of a table (docs/explanation/maths.md, "Optimisation").

        Parameters
        ----------
        table, m, v : float arrays, shape (n_rows, width)
            Weights, first and second moments; updated in place.
        rows : int32 array, shape (count,)
            Distinct rows to update; the others keep weights and moments.
        gradient : float array, shape (at least count, width)
        scale : float
            Factor on the gradient (from clipping).
        rate, decay : float
            Step size, and the share of each weight taken off (AdamW), 0 for none.
        beta1, beta2, epsilon : float
        correction1, correction2 : float
            1 / (1 - beta1**t) and 1 / (1 - beta2**t).
        """

    def sgd_update(
        self,
        table: np.ndarray,
        rows: np.ndarray,
        gradient: np.ndarray,
        velocity: np.ndarray,
        scale: float,
        rate: float,
        decay: float,
        momentum: float,
    ) -> None:
        """One step of gradient descent with momentum on some rows of a table.

        Parameters
        ----------
        table, velocity : float arrays, shape (n_rows, width)
            Weights and running gradient; updated in place.
        rows : int32 array, shape (count,)
        gradient : float array, shape (at least count, width)
        scale, rate, decay, momentum : float
            ``decay`` as in ``adam_update``.
        """

    def average_rows(
        self, table: np.ndarray, rows: np.ndarray, share: np.ndarray, average: np.ndarray
    ) -> None:
        """average[rows[i]] += share[i] * (table[rows[i]] - average[rows[i]]).

        Parameters
        ----------
        table, average : float arrays, shape (n_rows, width)
        rows : int32 array, shape (count,)
            Distinct rows.
        share : float array, shape (count,)
        """

    # -- word vectors --

    def skip_gram(
        self,
        ids: np.ndarray,
        offsets: np.ndarray,
        windows: np.ndarray,
        negatives: np.ndarray,
        rate: float,
        inputs: np.ndarray,
        outputs: np.ndarray,
        scratch: np.ndarray,
    ) -> None:
        """Move word vectors by tokens of some documents (docs/explanation/maths.md, section 18).

        All pairs of a token and its neighbours share the token's negatives, so that the
        vectors of a window are multiplied while they are in the cache (Ji et al. 2016,
        "Parallelizing Word2Vec in shared and distributed memory").

        Parameters
        ----------
        ids : int32 array, shape (n,)
        offsets : int64 array, shape (n_documents + 1,)
            No window reaches out of its document.
        windows : int32 array, shape (n,)
            Neighbours on each side that count.
        negatives : int32 array, shape (n, n_negatives)
            One that is the token itself is left out.
        rate : float
        inputs, outputs : float arrays, shape (n_ids, width)
            Vectors of neighbours, and of tokens and negatives; changed in place.
        scratch : float array, shape (n_negatives + 1, width + 1); working memory
        """

    # -- logistic regression --

    def dual_descent(
        self,
        indptr: np.ndarray,
        indices: np.ndarray,
        order: np.ndarray,
        sign: np.ndarray,
        cost: np.ndarray,
        norms: np.ndarray,
        least: float,
        margins: np.ndarray,
        weights: np.ndarray,
    ) -> float:
        """Move weights by documents, one after the other: coordinate descent in the dual.

        For the weights with the least ``sum(w**2) / 2 + sum(cost * log(1 + exp(-margin)))``,
        where a document's margin is its sign times the sum of ``scale * w`` over its features
        (Yu, Huang, Lin 2011; docs/explanation/maths.md, eqs. (118) to (121)).

        Parameters
        ----------
        indptr : int64 array, shape (n_documents + 1,)
        indices : int32 array, shape (n,)
            Document ``i`` has the features ``indices[indptr[i]:indptr[i + 1]]``, none twice.
        order : int64 array, shape (n_visited,)
            Documents, in the order in which they are visited.
        sign : float64 array, shape (n_documents,)
            1 or -1, the class.
        cost : float64 array, shape (n_documents,)
            At least 0.
        norms : float64 array, shape (n_documents,)
            Sum of ``scale**2`` over the document's features and the constant, above 0.
        least : float
            A document whose margin is off by no more is left alone.
        margins : float64 array, shape (n_documents,)
            Margin that each document had when it last moved the weights, infinity at first;
            updated in place.
        weights : float64 array, shape (n_features + 1, 2)
            ``scale * w`` and ``scale**2`` of each feature, last of the constant, which every
            document has; the first column is updated in place.

        Returns
        -------
        worst : float
            By how much a margin was off at most.
        """
