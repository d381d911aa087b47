"""What both classifiers share: parameters, training, prediction."""

from __future__ import annotations

import numbers
import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, NamedTuple, NoReturn
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted

from fastlstm.classifier.data import FitData, LabelledDocuments
from fastlstm.classifier.fit import Continued, continue_model, fit_model, fit_privately
from fastlstm.classifier.fitted import FittedModel, Scorer, predicting_precision
from fastlstm.classifier.private import leaks_of
from fastlstm.classifier.quantized import quantized
from fastlstm.core.options import OF_IDS, Options
from fastlstm.core.records import Encoded
from fastlstm.estimator.going_on import (
    built_in,
    networks_to_be,
    refuse_training_of_8_bits,
)
from fastlstm.estimator.notes import what_is_kept
from fastlstm.estimator.predicting import Predicting
from fastlstm.estimator.private import (
    private_parameters,
    promise_of,
    refuse_another_promise,
    refuse_leaks,
)
from fastlstm.estimator.saving import COLUMNS, save
from fastlstm.estimator.sequences import SequenceData
from fastlstm.estimator.step_labels import flat_labels, flat_weights, refuse_unknown_labels
from fastlstm.estimator.validation import (
    check_classes,
    check_labels,
    check_same_length,
    check_weights,
    class_weights,
    encode_labels,
    refuse_unknown,
)
from fastlstm.kernels.contract import PRECISIONS
from fastlstm.kernels.registry import BACKENDS, load_backend
from fastlstm.network.config import CELL_NAMES, POOLINGS, SEGMENT_STATES
from fastlstm.privacy import Privacy
from fastlstm.privacy.accounting import NoisySteps
from fastlstm.side.reader import SideReader
from fastlstm.side.steps import StepReader
from fastlstm.text.encoder import TextEncoder
from fastlstm.training.interrupts import guard_for
from fastlstm.training.optim.optimizers import OPTIMIZERS
from fastlstm.training.optim.schedules import SCHEDULES
from fastlstm.vectors.given import WordVectors

_MAX_SEED = np.iinfo(np.int32).max

_OPTIONS = Options._fields

# The values of parameters that were found valid last, which a small ``partial_fit`` does not
# check again. What the checks ask of a value does not change while it is the same object.
_VALID: WeakKeyDictionary[BaseEstimator, dict[str, object]] = WeakKeyDictionary()


class OfSteps(NamedTuple):
    """Documents whose steps have labels: those of the fit, and how others are read."""

    data: SequenceData
    read: Callable[[Any, str], SequenceData]


class Reading(NamedTuple):
    """What a fit read of its documents.

    Attributes
    ----------
    encoder : TextEncoder or None
    n_tokens : int
        Ids below it are tokens that the network will know.
    encoded : Encoded
        Documents with labels, then those without.
    labels : array, shape (n_labels,)
        Checked: of the first documents or, where each step has one, of their steps.
    encode : callable
        ``encode(X, name)``: further documents, read alike.
    columns : dict
        What the estimator then knows of the columns of X.
    reader : SideReader or None
        How documents with something beside their text are read.
    steps : StepReader or None
        How features of steps are read.
    of_steps : OfSteps or None
        Where each step has a label, and not the document.
    n_labelled : int or None
        Documents with labels, where that is not the number of these.
    forgets_columns : bool
        Whether ``columns`` is all that the estimator then knows of them.
    spent : tuple of NoisySteps
        What reading has told of the documents, where ``privacy`` counts that.
    """

    encoder: TextEncoder | None
    n_tokens: int
    encoded: Encoded
    labels: np.ndarray
    encode: Callable[[object, str, object], Encoded]
    columns: dict
    reader: SideReader | None = None
    steps: StepReader | None = None
    of_steps: OfSteps | None = None
    n_labelled: int | None = None
    forgets_columns: bool = False
    spent: tuple[NoisySteps, ...] = ()


def fitted(path: str, doc: str, kind: Callable | None = None) -> property:
    """A property that reads a fitted attribute from the record that holds it.

    Parameters
    ----------
    path : str
        Where it is, from the estimator on.
    doc : str
    kind : callable or None
        Called with it, for a value of another type.
    """
    get = attrgetter(path)
    return property(get if kind is None else lambda self: kind(get(self)), doc=doc)


class BaseLSTM(Predicting, BaseEstimator):
    """An LSTM classifier over token sequences: parameters, fitting, prediction, saving."""

    # Of pickles from before there were these parameters.
    recompute: Any = "auto"
    train_vectors: Any = True

    # Parameters that suit a promise of privacy.
    _private: dict[str, Any]
    privacy = None
    cell, segment_state = OF_IDS.cell, OF_IDS.segment_state
    forget_bias = OF_IDS.forget_bias

    _parameter_constraints = {
        "embedding_dim": [Interval(numbers.Integral, 1, None, closed="left")],
        "hidden_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "num_layers": [Interval(numbers.Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "cell": [StrOptions(set(CELL_NAMES))],
        "forget_bias": [Interval(numbers.Real, None, None, closed="neither")],
        "pooling": [StrOptions({"auto", *POOLINGS})],
        "dropout": [Interval(numbers.Real, 0, 1, closed="left")],
        "embedding_dropout": [Interval(numbers.Real, 0, 1, closed="left")],
        "token_dropout": [Interval(numbers.Real, 0, 1, closed="left")],
        "ngrams": [Interval(numbers.Integral, 1, None, closed="left")],
        "max_ngrams": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "ngram_dropout": [Interval(numbers.Real, 0, 1, closed="left")],
        "segment_length": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "segment_state": [StrOptions({"auto", *SEGMENT_STATES})],
        "recompute": ["boolean", StrOptions({"auto"})],
        "train_vectors": ["boolean"],
        "average_decay": [Interval(numbers.Real, 0, 1, closed="left")],
        "word_vectors": [str, os.PathLike, WordVectors, HasMethods(["get_vector"]), None],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate": [Interval(numbers.Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "warmup_fraction": [Interval(numbers.Real, 0, 1, closed="left")],
        "max_grad_norm": [Interval(numbers.Real, 0, None, closed="neither"), None],
        "momentum": [Interval(numbers.Real, 0, 1, closed="left")],
        "weight_decay": [Interval(numbers.Real, 0, None, closed="left")],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "max_epochs": [Interval(numbers.Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(numbers.Real, 0, 1, closed="neither")],
        "n_estimators": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_iter_no_change": [Interval(numbers.Integral, 1, None, closed="left")],
        "calibrate": ["boolean"],
        "privacy": [Privacy, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [numbers.Integral, None],
        "verbose": ["verbose"],
        "backend": [StrOptions({"auto", *BACKENDS})],
        "precision": [StrOptions(set(PRECISIONS))],
    }

    # -- what the two classifiers differ in ----------------------------------------

    @property
    def _linear(self) -> bool:
        """Whether a linear part is wanted beside the networks."""
        return False

    @abstractmethod
    def _read_for_fit(self, X, y, others, start: FittedModel | None, X_side=None) -> Reading:
        """Documents and labels of a fit; ``others`` are documents without labels.

        Without ``start`` it decides which tokens there are.
        """

    def _warn_of_first_part(self, n_documents: int) -> None:
        """Say what the first call of ``partial_fit`` settles with so many documents."""

    # -- training ------------------------------------------------------------------

    @classmethod
    def private(cls, privacy, **parameters):
        """An estimator that keeps a promise of privacy: nothing in it reads documents unasked.

        Parameters
        ----------
        privacy : Privacy or float
            A number is epsilon.
        **parameters
            Others of the estimator, in place of those that suit noisy training.

        Returns
        -------
        estimator
            Not fitted. ``get_params`` has all that was chosen.
        """
        return cls(**private_parameters(cls._private, privacy, parameters))

    def fit(
        self, X, y, sample_weight=None, *, X_side=None, X_val=None, y_val=None, X_side_val=None,
        X_unlabelled=None, **unknown: NoReturn,
    ):  # fmt: skip
        """Train on documents and their labels.

        Parameters
        ----------
        X : documents
            As the class says.
        y : array-like, shape (n_documents,)
            Labels: strings of any language, integers or booleans; at least 2 classes. In
            any container that documents may be in; members of an Enum with such values
            count as their values.
        sample_weight : array-like, shape (n_documents,), or None
            Factor on each document's loss, at least 0.
        X_side : 2-D array of numbers, shape (n_documents, width), or None
            A vector beside each text, of an image or a recording for example; NaN is missing.
            What predicts then takes ``X_side``, too. Only of text classifiers.
        X_val, y_val, X_side_val : like X, y and X_side, or None
            Documents to hold out, instead of a share of X: measured after each epoch,
            and used by ``early_stopping``, ``calibrate`` and the weighing of the parts.
        X_unlabelled : like X, or None
            Further documents without labels. The model that the labels gave says how
            likely each class is for them, and a new one learns from both.
        **unknown
            There are no others: a name that is not known is a TypeError, which says which
            one may be meant.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input that cannot be used; the message names the row and the mend.

        Notes
        -----
        Without ``X_val`` each network holds out ``validation_fraction`` of the
        documents, stratified by class, if ``early_stopping``, ``calibrate`` or a part
        beside the networks needs them. A class with a single document stays in training.
        Where fewer than 20 documents, or fewer than there are classes, would be held
        out, nothing is. A fit that fails changes nothing.

        The first Ctrl-C while something is trained ends training after the current step.
        The estimator then holds what is whole, and ``fit`` returns with an
        ``InterruptedFitWarning``. But where a loop runs around ``fit``, of the program or of
        a library such as scikit-learn, it raises ``KeyboardInterrupt``, which ends the loop.
        A second Ctrl-C, and one before anything was trained, raises at once and changes
        nothing.
        """
        refuse_unknown(self, "fit", unknown)
        options = self._checked_options()
        start = getattr(self, "model_", None) if self.warm_start else None
        if start is not None and X_unlabelled is not None:
            raise ValueError(
                "X_unlabelled begins new networks, and warm_start=True goes on with old ones. "
                "Leave one of the two out."
            )
        fitted_with, known_seed = built_in(self), None
        if start is not None:
            count = networks_to_be(self, self._remembered(), start)
            if count > len(start.networks) and not isinstance(self.random_state, numbers.Integral):
                known_seed = vars(self).get("_seed")
            options = options._replace(n_estimators=count)
        refuse_another_promise(self, start)
        if self.privacy is not None:
            others = (X_val is not None, X_unlabelled is not None)
            refuse_leaks(self, leaks_of(options, *others))
        reading = self._read_for_fit(X, y, X_unlabelled, start, X_side)
        classes, indices = encode_labels(reading.labels, None if start is None else start.classes)
        data = self._data(reading, classes, indices, sample_weight)
        valid = self._given_validation(X_val, y_val, X_side_val, reading, classes)
        data = data._replace(valid=valid)
        private = promise_of(self, data, options, reading.spent, start, self._linear)
        seed = self._fresh_seed() if known_seed is None else known_seed
        guard = guard_for(sys._getframe(1))
        if private is not None:
            model = fit_privately(data, options, seed, private, start, guard)
        else:
            model = fit_model(data, options, seed, linear=self._linear, start=start, guard=guard)
        others = {"_fitted_with": fitted_with}
        self._take(model, reading, others if start is not None else {**others, "_seed": seed})
        if model.record.stopped_by == "interrupt":
            guard.finish(what_is_kept(model, guard, self._linear, options))
        return self

    def partial_fit(
        self, X, y, classes=None, sample_weight=None, *, X_side=None, **unknown: NoReturn
    ):
        """Train for one epoch on more documents, at a constant learning rate.

        The networks take the steps of an epoch. A linear part that ``fit`` has made learns,
        too, or it would keep old answers for ever where labels change: each document, in its
        order, moves its own logit by what is missing from its probability, and the n-grams
        that it holds share the way evenly. Columns beside texts go on learning in the networks;
        the part that reads them alone stays as it is. How much each part counts stays.

        Parameters
        ----------
        X : documents
        y : array-like, shape (n_documents,)
        classes : array-like or None
            All labels that will ever occur; needed at the first call unless ``y``
            holds them all. The vocabulary, too, is that of the first call, which warns
            if it has few documents and no ``vocabulary`` is given.
        sample_weight : array-like, shape (n_documents,), or None
            Relative to their mean in this call.
        X_side : 2-D array of numbers or None
            As with ``fit``.
        **unknown
            As with ``fit``.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            For input that cannot be used, and for a parameter that has changed and is
            built into the model (docs/reference/training.md, "Going on").

        Notes
        -----
        Of the tables only rows of tokens that occur are copied, but for the first two calls
        after ``fit`` or ``load``. A call that fails changes nothing.
        """
        refuse_unknown(self, "partial_fit", unknown)
        options = self._checked_options()
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which sees a part of "
                "the documents at a time. Pass a dict of weights instead."
            )
        model, states = getattr(self, "model_", None), getattr(self, "_states", None)
        if isinstance(states, list):  # a pickle of an older version
            states = Continued(states)
        fitted_with = built_in(self)
        there = 0 if model is None else len(model.networks)
        if model is not None and networks_to_be(self, self._remembered(), model) > there:
            raise ValueError(
                f"n_estimators={options.n_estimators} is more than the {there} networks of the "
                "fitted model. fit with warm_start=True adds networks; partial_fit trains those "
                "that there are."
            )
        refuse_another_promise(self, model)
        if self.privacy is not None:
            refuse_leaks(self, leaks_of(options, False, False))
        reading = self._read_for_fit(X, y, None, model, X_side)
        known = None if model is None else model.classes
        if classes is not None:
            given = check_classes(classes)
            if known is not None and given.tolist() != known.tolist():
                raise ValueError(
                    f"classes={given.tolist()} differ from those of the first call, "
                    f"{known.tolist()}. Leave classes out, or fit anew."
                )
            known = given if model is None else known
        if reading.of_steps is not None and known is not None:
            refuse_unknown_labels(reading.labels, known, reading.of_steps.data, "y")
        classes, indices = encode_labels(reading.labels, known)
        data = self._data(reading, classes, indices, sample_weight)
        if model is not None:
            data = data._replace(class_count=model.record.class_count + data.class_count)
        one_epoch = options._replace(max_epochs=1, n_estimators=there or options.n_estimators)
        private = promise_of(self, data, one_epoch, reading.spent, model, False)
        if model is None:
            self._warn_of_first_part(len(reading.labels))
        seed: Any = None  # of a first call alone: a RandomState is not drawn from without need
        if states is None:
            seed = self._fresh_seed()
        others: dict[str, Any] = {"_fitted_with": fitted_with}
        if model is None:
            others["_seed"] = seed
        model, states = continue_model(
            data, options, seed, model, states, linear=self._linear, private=private
        )
        return self._take(model, reading, {**others, "_states": states})

    def _fresh_seed(self) -> int:
        return check_random_state(self.random_state).randint(_MAX_SEED)

    def _remembered(self) -> dict:
        """The parameters that the model was fitted with; nothing where that is not known."""
        return vars(self).get("_fitted_with") or {}

    def _checked_options(self) -> Options:
        """The parameters, once they are valid and this machine can do what they ask for."""
        refuse_training_of_8_bits(self)
        # As _validate_params does, but names of parameters are not looked up each time.
        values = {name: getattr(self, name) for name in self._parameter_constraints}
        valid = _VALID.get(self, {})
        if any(valid.get(name, _VALID) is not value for name, value in values.items()):
            validate_parameter_constraints(self._parameter_constraints, values, type(self).__name__)
            _VALID[self] = values
        # Options that an estimator has no parameter for stay as they are.
        options = Options(**{name: getattr(self, name) for name in _OPTIONS if name in values})
        k = load_backend(options.backend)
        k.packed_dtype(np.float32, options.precision, training=True)
        return options

    def _data(self, reading: Reading, classes, indices, sample_weight) -> FitData:
        n = len(reading.labels) if reading.n_labelled is None else reading.n_labelled
        encoded, unlabelled = reading.encoded, None
        if encoded.n_documents > n:
            encoded, unlabelled = encoded.split(n)
        if reading.of_steps is not None:
            weight = flat_weights(sample_weight, reading.of_steps.data)
        else:
            weight = check_weights(sample_weight, n)
        counts = np.bincount(indices, weights=weight, minlength=len(classes))
        weight = weight * class_weights(self.class_weight, classes, indices)
        return FitData(
            reading.encoder, reading.n_tokens, reading.encoded.sequences,
            LabelledDocuments(encoded, indices, weight, reading.of_steps is not None), None,
            unlabelled, classes, counts, reading.reader, reading.steps,
        )  # fmt: skip

    def _given_validation(self, X_val, y_val, X_side_val, reading: Reading, classes):
        if X_side_val is not None and X_val is None:
            raise ValueError("X_side_val stands beside X_val: pass X_val and y_val, too.")
        if X_val is None and y_val is None:
            return None
        if X_side_val is None and reading.reader is not None and reading.reader.takes_vectors:
            raise ValueError("X_side_val is missing: pass it beside X_val, as X_side beside X.")
        if X_val is None or y_val is None:
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"{missing} is missing: pass X_val and y_val together, or neither.")
        encoded = reading.encode(X_val, "X_val", X_side_val)
        if reading.of_steps is not None:
            data = reading.of_steps.read(X_val, "X_val")
            labels = flat_labels(y_val, data, "y_val", "X_val")
            refuse_unknown_labels(labels, classes, data, "y_val")
        else:
            labels = check_labels(y_val, name="y_val")
            check_same_length(encoded.n_documents, labels, "X_val", "y_val")
        _, indices = encode_labels(labels, classes, name="y_val")
        weight = class_weights(self.class_weight, classes, indices)
        return LabelledDocuments(encoded, indices, weight, reading.of_steps is not None)

    def _take(self, model: FittedModel, reading: Reading, others: dict):
        """Hold a new model, and what later training asks for: "_states" of ``partial_fit``,
        "_fitted_with", "_seed".

        All that a fit changes is changed here, once nothing can fail any more.
        """
        stale = COLUMNS if reading.forgets_columns else ()
        self._hold(model, {**reading.columns, "_states": None, **others}, stale)
        return self

    def _hold(self, model: FittedModel, others: dict, stale: Iterable[str] = ()) -> None:
        """Take over a model with other attributes, in one assignment."""
        precision = predicting_precision(model, self.backend, self.precision)
        scorer = Scorer(model, self.backend, precision)
        stale = COLUMNS if set(COLUMNS) & set(others) else stale
        kept = {name: value for name, value in vars(self).items() if name not in stale}
        self.__dict__ = {**kept, **others, "model_": model, "scorer_": scorer}

    # -- what is fitted ------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    classes_ = fitted("model_.classes", "Labels in sorted order.")
    class_prior_ = fitted("model_.class_prior", "Weighted share of each class in training.")
    class_count_ = fitted("model_.record.class_count", "Weighted documents of each class.")
    config_ = fitted("model_.config", "ModelConfig: the shape of the networks.")
    networks_ = fitted("model_.networks", "Parameters of each network.", list)
    ngrams_ = fitted("model_.ngrams", "NGrams with vectors of their own.")
    wide_ = fitted("model_.linear", "LinearPart beside the networks, or None.")
    blend_ = fitted("model_.blend", "Blend: how much each component counts.")
    privacy_ = fitted("model_.record.privacy", "PrivacyRecord: what is promised, or None.")
    history_ = fitted("model_.record.history", "EpochRecord of each epoch.", list)
    n_iter_ = fitted("model_.record.n_epochs", "Epochs trained, of the network with most.")
    stopped_by_ = fitted("model_.record.stopped_by", "What ended training.")
    backend_ = fitted("scorer_.backend", "The backend that ran.")
    backend_reason_ = fitted("scorer_.reason", "Why it was that one.")

    def save(self, path) -> None:
        """Write the fitted model to one file, which ``fastlstm.load`` reads.

        Parameters
        ----------
        path : str, path-like or binary file object
            Of a callable tokenizer the file holds the name alone: whoever loads it passes
            the function. A file object is written at its position, and not closed.

        Raises
        ------
        OSError
            If the file cannot be written; a file that was there before is kept.
        """
        check_is_fitted(self)
        save(self, path)

    def quantize(self):
        """A copy with weights of 8 bits that only predicts; its file is about a quarter as large.

        Vectors and the matrices of the LSTM are rounded to 8 bits, the linear part to 16
        (``fastlstm.classifier.quantized`` says how). Where the machine has such products, the
        LSTM is computed with whole numbers of 8 bits, else in float32 with the rounded
        weights.

        Returns
        -------
        quantized : estimator of the same class
            Fitted, with the same parameters. ``predict`` and all that goes with it, ``save``,
            ``explain`` and pickling work as they do here; explanations are computed in
            float32. ``model_.quantized`` is True. This estimator is not changed.

        Raises
        ------
        NotFittedError
            If this estimator is not fitted.
        ValueError
            If weights cannot be rounded, since they are not finite.

        Notes
        -----
        ``fit`` and ``partial_fit`` of the copy raise ``ValueError``. ``sklearn.base.clone`` of
        it is an unfitted estimator with the same parameters, which fits in full precision;
        so do the clones that ``cross_val_score`` and the like make. Wrap it in
        ``sklearn.frozen.FrozenEstimator`` to have such tools use it as it is.
        """
        check_is_fitted(self)
        copy = object.__new__(type(self))
        left_out = {"model_", "scorer_", "_states", "_seed"}
        copy.__dict__ = {name: v for name, v in vars(self).items() if name not in left_out}
        copy._hold(quantized(self.model_), {})
        return copy

    # -- pickling: packed weights are rebuilt, not stored ------------------------

    def __getstate__(self):
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "scorer_"}

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "model_"):
            self._hold(self.model_, {})
