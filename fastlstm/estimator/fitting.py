"""Training a classifier: what ``fit`` and ``partial_fit`` of both do."""

from __future__ import annotations

import copy
from dataclasses import asdict
from functools import wraps

import numpy as np
from sklearn.utils import check_random_state

from fastlstm.classifier.held_out import Part, hold_out_parts, of_held_out, with_soft_labels
from fastlstm.classifier.scoring import Blend, Encoded
from fastlstm.core.random import make_streams
from fastlstm.core.threads import ShardPool, effective_n_jobs
from fastlstm.estimator.validation import (
    check_classes,
    check_labels,
    check_same_length,
    check_weights,
    class_weights,
    encode_labels,
)
from fastlstm.kernels.registry import load_backend
from fastlstm.network.config import ModelConfig
from fastlstm.network.losses import probabilities
from fastlstm.network.parameters import init_parameters
from fastlstm.text.ngrams import NGrams
from fastlstm.training.callbacks import ProgressBar, task_bar
from fastlstm.training.engine import LabelledSequences
from fastlstm.training.loop import Trainer, TrainingOptions, TrainingState
from fastlstm.vectors.learned import skip_gram

_MAX_SEED = np.iinfo(np.int32).max

# max_epochs="auto": as many epochs as show the network about this many documents, but
# not more than some; and in any case some steps, within bounds. Small sets need more
# epochs, large ones overfit.
_AUTO_DOCUMENTS = 60_000
_ENOUGH_EPOCHS = 20
_AUTO_STEPS = 400
_AUTO_EPOCHS = (2, 60)

# Fewer validation documents than this choose an epoch at random.
_MIN_VALIDATION = 20

# Of the tokens that occur once in the training data, this share is read as unknown.
_UNKNOWN_SHARE = 0.5

# Standard deviation of word vectors, as the embedding begins with them.
_VECTOR_DEVIATION = 0.1


def _all_or_nothing(method):
    """A fit that fails leaves the estimator as it was.

    A new vocabulary beside old weights would send the kernels out of the table.
    """

    @wraps(method)
    def wrapper(self, *args, **kwargs):
        before = self.__dict__.copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__ = before
            raise

    return wrapper


class Fitting:
    """``fit`` and ``partial_fit``; a base of ``BaseLSTM``, whose subclasses turn X into tokens.

    They offer ``_encode_for_fit(X, y, others, first)``, which gives Encoded documents,
    ``others`` after ``X``, and checked labels, ``_encode(X, name)``, which gives Encoded
    documents, and ``_n_tokens()``, the tokens that the network knows. ``_fit_wide`` may
    add a part beside the networks.
    """

    _with_wide = False  # whether a part beside the networks is wanted

    @_all_or_nothing
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, X_unlabelled=None):
        """Train on documents and their labels.

        Parameters
        ----------
        X : documents
            As the class says.
        y : array-like, shape (n_documents,)
            Labels: strings of any language, integers or booleans; at least 2 classes.
        sample_weight : array-like, shape (n_documents,), or None
            Factor on each document's loss, at least 0.
        X_val, y_val : like X and y, or None
            Documents to hold out, instead of a share of X: measured after each epoch,
            and used by ``early_stopping``, ``calibrate`` and the weighing of the parts.
        X_unlabelled : like X, or None
            Further documents without labels. The model that the labels gave says how
            likely each class is for them, and a new one learns from both.

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
        out, nothing is. Ctrl-C ends training after the current step and leaves a fitted
        model.
        """
        self._validate_params()
        self._check_precision()
        going_on = self.warm_start and hasattr(self, "networks_")
        if going_on and X_unlabelled is not None:
            raise ValueError(
                "X_unlabelled begins new networks, and warm_start=True goes on with old ones. "
                "Leave one of the two out."
            )
        read, labels = self._read_for_fit(X, y, first=not going_on, others=X_unlabelled)
        encoded, others = read, None
        if X_unlabelled is not None:
            encoded, others = read.split(len(labels))
        classes, indices = encode_labels(labels, self.classes_ if going_on else None)
        weight = check_weights(sample_weight, encoded.sequences.n_documents)
        given, given_encoded = self._given_validation(X_val, y_val, classes)
        seed = check_random_state(self.random_state).randint(_MAX_SEED)
        self.classes_ = classes
        self.class_count_ = np.bincount(indices, weights=weight, minlength=len(classes))
        self.class_prior_ = self.class_count_ / self.class_count_.sum()
        weight = weight * class_weights(self.class_weight, classes, indices)
        data = LabelledSequences(self.ngrams_.longest(encoded.sequences), indices, weight)
        parts = self._parts(data, given, seed, len(self.networks_) if going_on else None)
        before = self.networks_ if going_on else None
        vectors = None if going_on else self._learned_vectors(read.sequences, seed)
        stage = "" if others is None else "from labels, "
        self._fit_networks(parts, vectors, seed, before, stage)
        self._fit_beside(encoded, data, parts, given_encoded, seed)
        if others is not None and self.stopped_by_ != "interrupt":
            self._learn_from_others(encoded, data, parts, given_encoded, seed, vectors, others)
        self._states = None  # partial_fit goes on from these weights
        return self

    def _check_precision(self) -> None:
        """Before anything is computed: a CPU or backend without the instructions says so."""
        load_backend(self.backend).packed_dtype(np.float32, self.precision, training=True)

    def _learn_from_others(self, encoded, data, parts, given, seed, vectors, others) -> None:
        """A new model, from the labels and from what this one says of other documents."""
        others = others.take(np.flatnonzero(others.sequences.lengths))
        logits = self._scorer().logits(others, effective_n_jobs(self.n_jobs))
        soft = probabilities(logits)
        target = soft[:, 1] if logits.shape[1] == 1 else soft
        weight = np.full(len(target), data.weight.mean())
        more = LabelledSequences(self.ngrams_.longest(others.sequences), target, weight)
        n_outputs = self.config_.n_outputs
        teacher = self.__dict__.copy()
        self._fit_networks(
            with_soft_labels(parts, more, n_outputs), vectors, seed + len(parts), None,
            "with more texts, ",
        )  # fmt: skip
        if len(self.networks_) == len(parts):
            target = target.reshape(-1, n_outputs)
            self._fit_beside(encoded, data, parts, given, seed, (others.whole, target))
        if self.stopped_by_ == "interrupt":  # the first model is whole
            self.__dict__ = {**teacher, "stopped_by_": "interrupt"}

    def _fit_networks(self, parts, vectors, seed, before, stage) -> None:
        """Train a network on each part, from fresh weights or those ``before``."""
        states = []
        for number, part in enumerate(parts):
            state = self._start(seed, number, vectors, before)
            title = stage + _title(number, len(parts))
            self._train(
                state, part.train, part.valid, self._n_epochs(part.train), number, title,
                unknown_share=_UNKNOWN_SHARE, average_decay=self.average_decay,
            )  # fmt: skip
            interrupted = state.stopped_by == "interrupt"
            if not (interrupted and states) or before is not None:
                state.slots = None
                states.append(state)  # else it is half trained, and others are not
            if interrupted:
                break
        if before is not None:  # networks that this fit did not reach are as they were
            rest = range(len(states), len(before))
            states += [self._start(seed, number, None, before) for number in rest]
        self._keep(states)
        if interrupted:
            self.stopped_by_ = "interrupt"

    def _fit_beside(self, encoded, data, parts, given, seed, others=None) -> None:
        """What stands beside the networks, and how much each counts."""
        n_outputs = self.config_.n_outputs
        self.wide_, self.blend_ = None, Blend.of_networks(n_outputs)
        try:
            self._fit_blend(encoded, data, parts, given, seed, others)
        except KeyboardInterrupt:
            self.wide_, self.blend_ = None, Blend.of_networks(n_outputs)
            self.stopped_by_ = "interrupt"

    def _fit_blend(self, encoded, data, parts, given, seed, others) -> None:
        wide, out_of_fold = self._fit_wide(encoded.whole, data, seed, others)
        held_out = of_held_out(
            self._networks, parts, self.class_prior_, effective_n_jobs(self.n_jobs)
        )
        if held_out is None or not (self.calibrate or wide is not None):
            if wide is not None:
                self.wide_, self.blend_ = wide, Blend(np.full(2, 0.5), np.zeros(len(wide.bias)))
            return
        logits = [held_out.logits]
        if wide is not None and held_out.rows is None:
            logits.append(wide.logits(given.whole))
        elif wide is not None:
            logits.append(out_of_fold[held_out.rows])
        from fastlstm.classifier.blending import fit_blend  # needs much of SciPy

        self.wide_ = wide
        self.blend_ = fit_blend(logits, held_out.y, held_out.weight, with_bias=wide is not None)

    def _fit_wide(self, whole, data, seed, others):
        """The wide part, and its logits for documents that it has not seen; here none."""
        return None, None

    @_all_or_nothing
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train the networks for one epoch on more documents, at a constant learning rate.

        What stands beside the networks stays as ``fit`` left it.

        Parameters
        ----------
        X : documents
        y : array-like, shape (n_documents,)
        classes : array-like or None
            All labels that will ever occur; needed at the first call unless ``y``
            holds them all. The vocabulary, too, is that of the first call.
        sample_weight : array-like, shape (n_documents,), or None

        Returns
        -------
        self
        """
        self._validate_params()
        self._check_precision()
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which sees a part of "
                "the documents at a time. Pass a dict of weights instead."
            )
        first = not hasattr(self, "networks_")
        encoded, labels = self._read_for_fit(X, y, first=first)
        sequences = encoded.sequences
        known = None if first else self.classes_
        if classes is not None:
            given = check_classes(classes)
            if known is not None and given.tolist() != known.tolist():
                raise ValueError(
                    f"classes={given.tolist()} differ from those of the first call, "
                    f"{known.tolist()}. Leave classes out, or fit anew."
                )
            known = given if first else known
        classes, indices = encode_labels(labels, known)
        weight = check_weights(sample_weight, sequences.n_documents)
        counts = np.bincount(indices, weights=weight, minlength=len(classes))
        self.classes_ = classes
        self.class_count_ = counts if first else self.class_count_ + counts
        self.class_prior_ = self.class_count_ / self.class_count_.sum()
        weight = weight * class_weights(self.class_weight, classes, indices)
        data = LabelledSequences(self.ngrams_.longest(sequences), indices, weight)
        states = copy.deepcopy(getattr(self, "_states", None))  # a failure changes nothing
        if states is None:
            states = self._first_states(sequences, None if first else self.networks_)
        for number, state in enumerate(states):
            self._train(state, data, None, 1, number, _title(number, len(states)))
        self._keep(states)
        if first or (self.wide_ is not None and not self.wide):
            self.wide_, self.blend_ = None, Blend.of_networks(self.config_.n_outputs)
        self._states = states
        return self

    def _first_states(self, sequences, before):
        """Of the networks, for the first ``partial_fit``."""
        seed = check_random_state(self.random_state).randint(_MAX_SEED)
        vectors = self._learned_vectors(sequences, seed) if before is None else None
        count = int(self.n_estimators) if before is None else len(before)
        return [self._start(seed, number, vectors, before) for number in range(count)]

    def _read_for_fit(self, X, y, *, first, others=None):
        """Token ids and checked labels; the first time, tokens and n-grams are learned.

        ``others`` are documents without labels, that follow the others.
        """
        encoded, labels = self._encode_for_fit(X, y, others, first=first)
        if first:
            self.ngrams_ = NGrams.learn(
                encoded.sequences, self._n_tokens(), int(self.ngrams),
                max_features=self.max_ngrams,
            )  # fmt: skip
        return encoded, labels

    def _given_validation(self, X_val, y_val, classes):
        if X_val is None and y_val is None:
            return None, None
        if X_val is None or y_val is None:
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"{missing} is missing: pass X_val and y_val together, or neither.")
        encoded: Encoded = self._encode(X_val, name="X_val")
        sequences = self.ngrams_.longest(encoded.sequences)
        labels = check_labels(y_val, name="y_val")
        check_same_length(sequences.n_documents, labels, "X_val", "y_val")
        _, indices = encode_labels(labels, classes, name="y_val")
        weight = class_weights(self.class_weight, classes, indices)
        return LabelledSequences(sequences, indices, weight), encoded

    def _parts(self, data: LabelledSequences, given, seed, n_networks=None) -> list[Part]:
        """What each network is trained and measured on."""
        if n_networks is None:
            n_networks = int(self.n_estimators)
        if given is not None:
            return [Part(data, given, None)] * n_networks
        # Early stopping looks at one network's documents, the blend at all of them.
        n_held_out = len(data.y) * self.validation_fraction
        n_held_out *= 1 if self.early_stopping else n_networks
        wanted = self.early_stopping or self.calibrate or self._with_wide
        if not wanted or n_held_out < max(_MIN_VALIDATION, len(self.classes_)):
            return [Part(data, None, None)] * n_networks
        return hold_out_parts(data, self.validation_fraction, n_networks, seed)

    def _n_epochs(self, train: LabelledSequences) -> int:
        if self.max_epochs != "auto":
            return int(self.max_epochs)
        n = max(1, len(train.y))
        wanted = min(round(_AUTO_DOCUMENTS / n), _ENOUGH_EPOCHS)
        for_steps = -(-_AUTO_STEPS // -(-n // int(self.batch_size)))
        return min(max(wanted, for_steps, _AUTO_EPOCHS[0]), _AUTO_EPOCHS[1])

    def _learned_vectors(self, sequences, seed):
        """Vectors of all tokens to begin with, and which tokens have one; None for neither."""
        self.vector_coverage_ = None
        if self.word_vectors is None:
            return None
        if not (isinstance(self.word_vectors, str) and self.word_vectors == "skipgram"):
            vectors, found = self._given_vectors(sequences)
            if vectors.shape[1] != self.embedding_dim:
                raise ValueError(
                    f"the word vectors have {vectors.shape[1]} numbers each and embedding_dim is "
                    f"{self.embedding_dim}. Set embedding_dim={vectors.shape[1]}."
                )
            return _of_small_deviation(vectors, found), found
        with task_bar("word vectors", self.verbose) as report:
            vectors = skip_gram(
                load_backend(self.backend), sequences, self._n_tokens(), int(self.embedding_dim),
                make_streams(seed).word_vectors, report=report,
            )  # fmt: skip
        found = np.ones(len(vectors), dtype=bool)
        return _of_small_deviation(vectors, found), found

    def _given_vectors(self, sequences):
        """Vectors of all tokens from elsewhere, and which tokens have one."""
        raise ValueError(
            f"word_vectors={self.word_vectors!r} are vectors of words, and X holds token ids. "
            'Use LSTMSentimentClassifier, "skipgram", or None.'
        )

    def _start(self, seed, number, vectors, before) -> TrainingState:
        """Fresh weights of a network, or copies of its weights ``before``.

        Fresh vectors of tokens are ``vectors``, if they are given.
        """
        streams = make_streams(seed + number)
        config = self._config()
        if before is not None:
            self._check_same_network(config)
            self.config_ = config
            state = TrainingState(before[number].copy(), streams.training)
            state.history = [r for r in self.history_ if r.get("network", 1) == number + 1]
            return state
        self.config_ = config
        try:
            parameters = init_parameters(config, streams, parents=self.ngrams_.parents)
        except (MemoryError, ValueError) as error:
            raise MemoryError(
                f"a network of this size does not fit into memory ({error}): lower "
                f"hidden_size={self.hidden_size}, embedding_dim={self.embedding_dim}, "
                f"num_layers={self.num_layers} or the vocabulary "
                f"({config.vocabulary_size} token ids)."
            ) from error
        if vectors is not None:
            rows, found = vectors
            parameters.embedding[: len(rows)][found] = rows[found]
        return TrainingState(parameters, streams.training)

    def _config(self) -> ModelConfig:
        return ModelConfig(
            vocabulary_size=self._n_tokens() + len(self.ngrams_),
            embedding_dim=int(self.embedding_dim),
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            bidirectional=bool(self.bidirectional),
            pooling=self.pooling,
            n_outputs=1 if len(self.classes_) == 2 else len(self.classes_),
            dropout=float(self.dropout),
            embedding_dropout=float(self.embedding_dropout),
            n_ngrams=len(self.ngrams_),
            segment_length=int(self.segment_length or 0),
        )

    def _check_same_network(self, config: ModelConfig) -> None:
        """Refuse to go on with weights of another shape than the parameters say."""
        old, new = asdict(self.config_), asdict(config)
        changed = [name for name in old if old[name] != new[name] and "dropout" not in name]
        if changed:
            name = changed[0]
            raise ValueError(
                f"{name} is now {new[name]!r}, but the fitted network has {old[name]!r}. Set it "
                "back to go on with these weights, or fit anew with warm_start=False."
            )

    def _train(
        self, state, train, valid, n_epochs, number, title, unknown_share=0.0, average_decay=0.0
    ) -> None:
        """Train network ``number``; ``title`` begins the lines that show progress."""
        options = TrainingOptions(
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            schedule=self.learning_rate_schedule if n_epochs > 1 else "constant",
            warmup=self.warmup_fraction if n_epochs > 1 else 0.0,
            batch_size=int(self.batch_size),
            max_epochs=int(n_epochs),
            max_grad_norm=self.max_grad_norm,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            early_stopping=bool(self.early_stopping),
            n_iter_no_change=int(self.n_iter_no_change),
            unknown_share=unknown_share,
            token_dropout=self.token_dropout,
            ngram_dropout=self.ngram_dropout,
            average_decay=average_decay,
        )
        k = load_backend(self.backend)
        callbacks = [ProgressBar(title)] if self.verbose else []
        with ShardPool(effective_n_jobs(self.n_jobs), k) as pool:
            trainer = Trainer(k, self.config_, state, options, pool, callbacks, self.precision)
            trainer.run(train, valid)
        for record in state.history:
            record["network"] = number + 1

    def _keep(self, states) -> None:
        """Take over trained networks."""
        self.networks_ = [state.parameters for state in states]
        self.history_ = [record for state in states for record in state.history]
        self.n_iter_ = max(len(state.history) for state in states)
        self.stopped_by_ = states[-1].stopped_by
        self._attach_networks()


def _title(number: int, count: int) -> str:
    """What begins the lines about a network; nothing where it is the only one."""
    return f"network {number + 1} of {count}, " if count > 1 else ""


def _of_small_deviation(vectors, found):
    """Vectors scaled to what the embedding begins with."""
    deviation = float(vectors[found].std()) if found.any() else 0.0
    return vectors * np.float32(_VECTOR_DEVIATION / max(deviation, 1e-12))
