"""LSTMClassifier: token ids in a 2-D array -> classes."""

from __future__ import annotations

import numbers

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from fastlstm.core.options import OF_IDS
from fastlstm.core.records import UNK_ID, Encoded, TokenSequences
from fastlstm.estimator.base import BaseLSTM, OfSteps, Reading
from fastlstm.estimator.private import PRIVATE_IDS
from fastlstm.estimator.saving import COLUMNS
from fastlstm.estimator.sequences import SequenceData, check_below
from fastlstm.estimator.step_labels import flat_labels
from fastlstm.estimator.validation import (
    check_labels,
    check_same_length,
    check_token_ids,
)
from fastlstm.side.learning import learn_steps
from fastlstm.side.steps import StepReader


class LSTMClassifier(BaseLSTM):
    """LSTM classifier over token ids: embedding, LSTM layers, pooling, dense.

    X is a 2-D array of whole numbers, one document a row, as wide in prediction as
    in training. 0 is padding and is ignored at either end of a row. Or it is
    :class:`SequenceData`: sequences of any length, of token ids, of numbers (features) of each
    step, or of both.

    Parameters
    ----------
    embedding_dim : int, default=64
        Length of a token's vector.
    hidden_size : int, default=64
        Units of an LSTM layer in one direction.
    num_layers : int, default=1
        LSTM layers on top of each other.
    bidirectional : bool, default=True
        Read each document from both ends.
    cell : {"lstm", "rnn"}, default="lstm"
        "rnn" is the plain network, without gates, whose state is the tanh of one sum.
    forget_bias : float, default=1.0
        What biases of forget gates begin with; a larger one keeps states for longer.
    pooling : {"auto", "last", "mean", "max", "mean_max", "attention"}, default="max"
        How a document's outputs become one vector. "last" takes the state after
        the last token (in reverse, after the first); "attention" weighs the outputs by a
        softmax of learned scores. "auto" is "attention" where there are 2,000 documents and a
        fifth of them has more than 600 tokens, else "max".
    dropout : float in [0, 1), default=0.5
        Share of outputs dropped between layers and before the dense layer.
    embedding_dropout : float in [0, 1), default=0.5
        Share of the entries of token vectors dropped; a token keeps its mask
        within a shard of a minibatch.
    token_dropout : float in [0, 1), default=0
        Share of all tokens read as unknown, others in each epoch.
    ngrams : int, default=1
        Tokens of the longest n-grams with vectors of their own, which are added to
        those of the tokens they end with; 1 is none.
    max_ngrams : int or None, default=100000
        N-grams of each length at most, the most frequent. Each occurs twice at least.
    ngram_dropout : float in [0, 1), default=0.3
        Share of n-grams that are left out, others in each epoch.
    segment_length : int or None, default=None
        Longer documents are read in parts of about equal length, at most this many
        tokens each, and the parts are pooled together. None reads documents whole.
    segment_state : {"auto", "fresh", "carried", "truncated"}, default="fresh"
        What such a part begins with: nothing, or the state in which the one before it (in
        reverse, behind it) ended. "truncated" has parts of just ``segment_length`` tokens, and
        gradients do not go back through a state that was handed over.
    recompute : bool or "auto", default="auto"
        Whether training keeps the states of few steps and computes the others again: memory
        then grows with the root of a document's length, and a step takes up to 1.5 times as
        long, with attention twice. "auto" does so where states of a shard of a minibatch would
        take more than 256 MiB. No bit of a gradient changes, but for the mean over segments.
    average_decay : float in [0, 1), default=0
        The weights that predict are a moving average over the steps, of which this
        share stays at each step; 0 takes the last weights. Not in ``partial_fit``.
    word_vectors : {"skipgram"} or None, default=None
        "skipgram" learns vectors of the tokens from the training documents first
        (docs/explanation/maths.md, section 18) and begins with them; None begins at random. Vectors
        of words need :class:`LSTMSentimentClassifier`.
    train_vectors : bool, default=True
        False leaves all vectors as they begin; those of n-grams then stay 0.
    optimizer : {"adam", "adamw", "sgd"}, default="adam"
    learning_rate : float, default=0.003
    learning_rate_schedule : {"constant", "linear", "cosine"}, default="linear"
        Course of the rate after the warm-up; "linear" and "cosine" fall to 2 %.
    warmup_fraction : float in [0, 1), default=0.05
        Share of all steps over which the rate rises from 0.
    max_grad_norm : float or None, default=1.0
        Gradients with a larger global norm are scaled down to it.
    momentum : float in [0, 1), default=0.9
        Only for "sgd".
    weight_decay : float, default=0.01
        Only for "adamw" and "sgd": share of a weight, times the rate, taken off
        at each step.
    batch_size : int, default=32
        Documents in a minibatch.
    max_epochs : int or "auto", default="auto"
        "auto" takes as many epochs as show the network about 60,000 documents, between 2
        and 20, and up to 60 where the steps would be fewer than 400.
    early_stopping : bool, default=True
        Hold out validation data, stop when its accuracy no longer rises, and keep
        the weights of the best epoch.
    validation_fraction : float in (0, 1), default=0.1
        Share of the documents that each network holds out, for ``early_stopping`` and
        ``calibrate``.
    n_estimators : int, default=1
        Networks whose logits are averaged. Each holds out other documents.
    n_iter_no_change : int, default=3
        Epochs without a better validation accuracy before training stops. Up to
        the accuracy of the most frequent class a lower loss counts as better, too.
    calibrate : bool, default=False
        Fit a temperature on documents held out, so that probabilities are as often right
        as they say.
    class_weight : dict, "balanced" or None, default=None
        Factor on the loss of each class's documents.
    privacy : Privacy or None, default=None
        A promise of differential privacy to those whose documents these are: gradients of
        documents are clipped and noise is added. ``fit`` refuses what would break it. Needs
        ``pip install 'fastlstm[privacy]'``; docs/explanation/privacy.md.
    targets : {"documents", "steps"}, default="documents"
        What has a label: each document, or each of its steps. With "steps" y is a sequence of
        1-D arrays, one label a step, and so is what ``predict`` gives; nothing is pooled.
    step_dropout : float in [0, 1), default=0
        Share of steps whose features are taken away in training, others in each epoch, as if
        they were missing. For features that will be missing more often than in training.
    vocabulary_size : int or None, default=None
        Number of token ids; None takes the largest id of the first fit plus 1.
    warm_start : bool, default=False
        Go on from the weights of the previous ``fit``; with a larger ``n_estimators`` leave
        its networks and add those that are missing.
    random_state : int, RandomState or None, default=None
        An int makes training repeatable bit for bit, whatever ``n_jobs``.
    n_jobs : int or None, default=None
        Threads; None is all cores (1 inside joblib workers), -1 too.
    verbose : int or bool, default=0
        Show a progress bar and a line for each epoch on standard error.
    backend : {"auto", "numba", "cython", "reference"}, default="auto"
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" needs a CPU with such products and the C kernels, and trains about twice
        as fast. What ``quantize`` gives predicts in int8, whatever stands here.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
    class_prior_ : float array, shape (n_classes,)
        Weighted share of each class in the training data.
    config_ : ModelConfig
    networks_ : list of Parameters
        The weights of each network.
    blend_ : Blend
        Factor on the networks' logits: one over the temperature, 1 without ``calibrate``.
    ngrams_ : NGrams
        The n-grams with vectors of their own.
    history_ : list of dict
        One entry an epoch: ``epoch, network, loss, accuracy, val_loss, val_accuracy,
        learning_rate, seconds, tokens_per_second``.
    n_iter_ : int
        Epochs trained, of the network that has most.
    stopped_by_ : str
        "max_epochs", "early_stopping", "interrupt" or "non_finite_loss".
    backend_, backend_reason_ : str
        The backend that ran, and why ``backend="auto"`` took it.
    model_ : FittedModel
        All of the above but the backend, in one record.
    n_features_in_ : int
        After a fit on an array, not on ``SequenceData``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastlstm import LSTMClassifier
    >>> X = np.array([[2, 3, 0], [4, 3, 0], [2, 2, 3], [4, 4, 3]] * 8)
    >>> y = np.array([1, 0, 1, 0] * 8)
    >>> clf = LSTMClassifier(hidden_size=8, early_stopping=False, random_state=0).fit(X, y)
    >>> clf.predict([[2, 3, 0], [4, 3, 0]])
    array([1, 0])
    """

    # Of pickles from before there were these parameters.
    targets, step_dropout = OF_IDS.targets, OF_IDS.step_dropout

    _private = PRIVATE_IDS

    _parameter_constraints = {
        **BaseLSTM._parameter_constraints,
        "targets": [StrOptions({"documents", "steps"})],
        "step_dropout": [Interval(numbers.Real, 0, 1, closed="left")],
        "vocabulary_size": [Interval(numbers.Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        embedding_dim=OF_IDS.embedding_dim,
        hidden_size=OF_IDS.hidden_size,
        num_layers=OF_IDS.num_layers,
        bidirectional=OF_IDS.bidirectional,
        cell=OF_IDS.cell,
        forget_bias=OF_IDS.forget_bias,
        pooling=OF_IDS.pooling,
        dropout=OF_IDS.dropout,
        embedding_dropout=OF_IDS.embedding_dropout,
        token_dropout=OF_IDS.token_dropout,
        ngrams=OF_IDS.ngrams,
        max_ngrams=OF_IDS.max_ngrams,
        ngram_dropout=OF_IDS.ngram_dropout,
        segment_length=OF_IDS.segment_length,
        segment_state=OF_IDS.segment_state,
        recompute=OF_IDS.recompute,
        average_decay=OF_IDS.average_decay,
        word_vectors=OF_IDS.word_vectors,
        train_vectors=OF_IDS.train_vectors,
        optimizer=OF_IDS.optimizer,
        learning_rate=OF_IDS.learning_rate,
        learning_rate_schedule=OF_IDS.learning_rate_schedule,
        warmup_fraction=OF_IDS.warmup_fraction,
        max_grad_norm=OF_IDS.max_grad_norm,
        momentum=OF_IDS.momentum,
        weight_decay=OF_IDS.weight_decay,
        batch_size=OF_IDS.batch_size,
        max_epochs=OF_IDS.max_epochs,
        early_stopping=OF_IDS.early_stopping,
        validation_fraction=OF_IDS.validation_fraction,
        n_estimators=OF_IDS.n_estimators,
        n_iter_no_change=OF_IDS.n_iter_no_change,
        calibrate=OF_IDS.calibrate,
        class_weight=None,
        privacy=None,
        targets=OF_IDS.targets,
        step_dropout=OF_IDS.step_dropout,
        vocabulary_size=None,
        warm_start=False,
        random_state=None,
        n_jobs=OF_IDS.n_jobs,
        verbose=OF_IDS.verbose,
        backend=OF_IDS.backend,
        precision=OF_IDS.precision,
    ):
        self.embedding_dim = embedding_dim
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.cell = cell
        self.forget_bias = forget_bias
        self.pooling = pooling
        self.dropout = dropout
        self.embedding_dropout = embedding_dropout
        self.token_dropout = token_dropout
        self.ngrams = ngrams
        self.max_ngrams = max_ngrams
        self.ngram_dropout = ngram_dropout
        self.segment_length = segment_length
        self.segment_state = segment_state
        self.recompute = recompute
        self.average_decay = average_decay
        self.word_vectors = word_vectors
        self.train_vectors = train_vectors
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.warmup_fraction = warmup_fraction
        self.max_grad_norm = max_grad_norm
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_estimators = n_estimators
        self.n_iter_no_change = n_iter_no_change
        self.calibrate = calibrate
        self.class_weight = class_weight
        self.privacy = privacy
        self.targets = targets
        self.step_dropout = step_dropout
        self.vocabulary_size = vocabulary_size
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.backend = backend
        self.precision = precision

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        return tags

    def _read_for_fit(self, X, y, others, start, X_side=None) -> Reading:
        _refuse_side(X_side)

        # A twin takes what is learned of the columns, since this fit may yet fail.
        columns = object.__new__(type(self))
        columns.__dict__ = {
            name: value
            for name, value in vars(self).items()
            if start is not None or name not in COLUMNS
        }
        size = self.vocabulary_size if start is None else start.ngrams.n_tokens
        data = _sequences(columns, X, size, reset=start is None)
        by_step = self.targets == "steps"
        if by_step:
            labels = flat_labels(y, data)
        else:
            labels = check_labels(_not_of_steps(y, data.lengths))
            check_same_length(len(data), labels)
        steps = None if start is None else start.steps
        if start is None and data.n_features:
            values = data.sequences_.features
            if not len(values):
                raise ValueError("X has no step in any document: there is nothing to learn from.")
            steps = learn_steps(values, self.step_dropout > 0, data.has_tokens, data.names_)
        elif steps is not None and self.step_dropout and not steps.tells_all_gaps:
            raise ValueError(
                f"step_dropout={self.step_dropout:g} needs a network that reads gaps, and this one "
                "was fitted without some. Set step_dropout=0 to go on with it, or fit anew."
            )
        if start is None and not data.has_tokens:
            size = UNK_ID + 1
        read = [_as_read(data, steps, size, "X")]
        if others is not None:
            others = _sequences(columns, others, size, "X_unlabelled")
            read.append(_as_read(others, steps, size, "X_unlabelled"))
        sequences = TokenSequences.join(read) if len(read) > 1 else read[0]
        n_tokens = size or int(sequences.ids.max(initial=UNK_ID)) + 1

        def encode(X, name, X_side):
            _refuse_side(X_side)
            others = _sequences(columns, X, n_tokens, name)
            return Encoded(_as_read(others, steps, n_tokens, name))

        learned = {name: vars(columns)[name] for name in COLUMNS if name in vars(columns)}
        by_steps = None
        if by_step:
            by_steps = OfSteps(data, lambda X, name: _sequences(columns, X, n_tokens, name))
        return Reading(
            None, n_tokens, Encoded(sequences), labels, encode, learned, None, steps, by_steps,
            len(data), forgets_columns=True,
        )  # fmt: skip

    def _steps_of(self, X) -> SequenceData:
        return _sequences(self, X, self.model_.ngrams.n_tokens)

    def _encode(self, X, model, X_side=None) -> Encoded:
        _refuse_side(X_side)
        size = model.ngrams.n_tokens
        data = _sequences(self, X, size)
        return Encoded(_as_read(data, model.steps, size, "X"))


def _sequences(
    estimator, X, size: int | None, name: str = "X", reset: bool = False
) -> SequenceData:
    """X as sequences."""
    if isinstance(X, SequenceData):
        return X
    try:
        ids = validate_data(estimator, X, dtype="numeric", reset=reset)
        ids = check_token_ids(ids, size, name=name)
    except (TypeError, ValueError) as error:
        # Where it is not known what was meant, say what there is.
        if _is_plain(X):
            raise
        raise type(error)(f"{error}{_OTHER_INPUTS}") from error
    return SequenceData.of_padded(ids)


# What else X may be, for whoever passes something that is no array of ids.
_OTHER_INPUTS = (
    "\nLSTMClassifier takes token ids in a 2-D array. Sequences of different lengths, or of "
    "numbers, are SequenceData(tokens=...) or SequenceData(features=...), one array a document, "
    "and NaN is welcome there; texts are for LSTMSentimentClassifier."
)


def _not_of_steps(y, lengths: np.ndarray):
    """Labels, unless each document has as many as it has steps."""
    if isinstance(y, (list, tuple)) and len(y) == len(lengths) and len(y):
        own = [np.shape(labels) for labels in y[:5]]
        if own == [(n,) for n in lengths[:5].tolist()]:
            raise ValueError(
                "y has a label for each step of each document. Set targets='steps', or pass one "
                "label per document."
            )
    return y


def _is_plain(X) -> bool:
    """Whether it is a 2-D array of whole numbers, of which some other thing is wrong."""
    return isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "iub"


def _as_read(
    data: SequenceData, steps: StepReader | None, size: int | None, name: str
) -> TokenSequences:
    """What the network reads of sequences, once it is what the model takes.

    Raises
    ------
    ValueError
        If there are features that it does not know, or none where it needs some; if they have
        other names; if an id is not below ``size``.
    """
    wanted = (True, 0) if steps is None else (steps.has_tokens, steps.n_features)
    given = (data.has_tokens, data.n_features)
    if given != wanted:
        what = [
            " and ".join(["token ids"] * tokens + [f"{n} feature{'s' * (n > 1)} a step"] * (n > 0))
            for tokens, n in (wanted, given)
        ]
        raise ValueError(
            f"the model reads {what[0]}, and {name} has {what[1]}. Pass SequenceData("
            f"{', '.join(['tokens=...'] * wanted[0] + ['features=...'] * (wanted[1] > 0))}), as it "
            "was fitted with."
        )
    if steps is not None and steps.names and data.names_ and steps.names != data.names_:
        raise ValueError(
            f"the features of {name} are {list(data.names_)}, and the model was fitted with "
            f"{list(steps.names)}. Pass the same columns in the same order."
        )
    if size is not None and data.has_tokens:
        check_below(data.sequences_, size, name)
    sequences = data.sequences_
    if steps is None:
        return sequences
    assert sequences.features is not None, "as many as wanted"
    return sequences._replace(features=steps.read(sequences.features, sequences.offsets))


def _refuse_side(X_side) -> None:
    if X_side is not None:
        raise ValueError(
            "LSTMClassifier reads sequences alone; LSTMSentimentClassifier takes X_side beside "
            "texts. Numbers beside each token are features of SequenceData."
        )
