"""LSTMSentimentClassifier: documents -> classes."""

from __future__ import annotations

import numbers
import os
import sys

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from fastlstm.classifier.scoring import Encoded
from fastlstm.core.threads import effective_n_jobs
from fastlstm.estimator.base import BaseLSTM, warn_truncated
from fastlstm.estimator.validation import check_labels, check_same_length
from fastlstm.text.documents import check_documents
from fastlstm.text.encoder import PARAMETERS, TextEncoder
from fastlstm.training.callbacks import task_bar
from fastlstm.vectors.given import WordVectors

TEXT_CONSTRAINTS = {
    "tokenizer": [StrOptions({"auto", "word", "char", "jieba"}), callable],
    "lowercase": ["boolean"],
    "max_features": [Interval(numbers.Integral, 1, None, closed="left"), None],
    "min_df": [
        Interval(numbers.Integral, 1, None, closed="left"),
        Interval(numbers.Real, 0, 1, closed="neither"),
    ],
    "max_length": [Interval(numbers.Integral, 1, None, closed="left"), None],
    "truncation": [StrOptions({"head", "tail", "head_tail"})],
    "missing": [StrOptions({"error", "empty"})],
}


def make_encoder(estimator) -> TextEncoder:
    """A text encoder with the text parameters of an estimator."""
    return TextEncoder(**{name: getattr(estimator, name) for name in PARAMETERS})


class TextInputMixin:
    """What scikit-learn should know of estimators that take documents."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = self.missing == "empty"
        return tags

    @property
    def vocabulary_(self) -> dict[str, int]:
        """Id of each token."""
        encoder = self.encoder_
        if encoder.n_known_ == len(encoder.vocabulary_):
            return encoder.vocabulary_.ids
        return {token: i for token, i in encoder.vocabulary_.ids.items() if i < encoder.n_known_}


class LSTMSentimentClassifier(TextInputMixin, BaseLSTM):
    """LSTM text classifier: tokenise, embed, LSTM layers, pool, dense.

    X is documents: a list, tuple, NumPy array of strings or objects, a pandas or
    polars Series, or a DataFrame with one column.

    Parameters
    ----------
    tokenizer : {"auto", "word", "char", "jieba"} or callable, default="auto"
        "auto" takes words and splits scripts without spaces (Chinese, Japanese,
        Thai and others) into characters; "jieba" splits Chinese into words and
        needs ``pip install 'fastlstm[zh]'``; a callable gets one cleaned document
        and returns a list of strings.
    lowercase : bool, default=True
    max_features : int or None, default=30000
        Size of the vocabulary: the most frequent tokens are kept.
    min_df : int or float, default=1
        Tokens in fewer documents (a float: in a smaller share) are unknown.
    max_length : int or None, default=600
        Tokens of a document that are read; ``fit`` warns with the share of
        documents that were longer.
    truncation : {"head", "tail", "head_tail"}, default="head_tail"
        Which tokens of a longer document are kept: the first, the last, or the
        first quarter and the last three quarters of ``max_length``.
    missing : {"error", "empty"}, default="error"
        What to do with None, NaN and pandas' NA: name the row, or score it at
        ``class_prior_``.
    wide : {"nb"} or None, default="nb"
        "nb" adds a linear part beside the networks: n-grams of up to three tokens, found
        in two documents at least, weighted by naive Bayes and logistic regression. It
        reads whole documents. How much either part counts is fitted on documents that
        neither was fitted on: ``validation_fraction`` of them is held out from each
        network.
    embedding_dim : int, default=128
        Length of a token's vector.
    hidden_size : int, default=64
        Units of an LSTM layer in one direction.
    num_layers : int, default=1
        LSTM layers on top of each other.
    bidirectional : bool, default=True
        Read each document from both ends.
    pooling : {"last", "mean", "max", "mean_max"}, default="max"
        How a document's outputs become one vector. "last" takes the state after
        the last token (in reverse, after the first).
    dropout : float in [0, 1), default=0.5
        Share of outputs dropped between layers and before the dense layer.
    embedding_dropout : float in [0, 1), default=0.4
        Share of the entries of token vectors dropped; a token keeps its mask
        within a shard of a minibatch.
    token_dropout : float in [0, 1), default=0.2
        Share of all tokens read as unknown, others in each epoch.
    ngrams : int, default=2
        Tokens of the longest n-grams with vectors of their own, which are added to
        those of the tokens they end with; 1 is none.
    max_ngrams : int or None, default=100000
        N-grams of each length at most, the most frequent. Each occurs twice at least.
    ngram_dropout : float in [0, 1), default=0.3
        Share of n-grams that are left out, others in each epoch.
    segment_length : int or None, default=100
        Longer documents are read in parts of about equal length, at most this many
        tokens each, and the parts are pooled together. None reads documents whole.
    average_decay : float in [0, 1), default=0.995
        The weights that predict are a moving average over the steps, of which this
        share stays at each step; 0 takes the last weights. Not in ``partial_fit``.
    word_vectors : "skipgram", path, WordVectors, gensim's KeyedVectors or None, \
default="skipgram"
        What the vectors of tokens begin with. "skipgram" learns them from the training
        documents first (docs/explanation/maths.md, section 18). A file is one that
        ``WordVectors.load`` reads; its vectors must have ``embedding_dim`` numbers. None,
        and a token that is not among the vectors, begin at random.
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
    batch_size : int, default=64
        Documents in a minibatch.
    max_epochs : int or "auto", default="auto"
        "auto" takes as many epochs as show the network about 60,000 documents, between 2
        and 20, and up to 60 where the steps would be fewer than 400.
    early_stopping : bool, default=False
        Stop when the accuracy on documents held out no longer rises, and keep the
        weights of the best epoch.
    validation_fraction : float in (0, 1), default=0.1
        Share of the documents that each network holds out, for ``early_stopping``,
        ``calibrate`` and ``wide``.
    n_estimators : int, default=3
        Networks whose logits are averaged. Each holds out other documents. Training,
        prediction and the model file grow with their number.
    n_iter_no_change : int, default=3
        Epochs without a better validation accuracy before ``early_stopping`` ends training.
    calibrate : bool, default=True
        Fit a temperature on the documents held out, so that probabilities are as often
        right as they say. With ``wide`` they always are fitted.
    class_weight : dict, "balanced" or None, default=None
        Factor on the loss of each class's documents.
    warm_start : bool, default=False
        Go on from the weights of the previous ``fit``.
    random_state : int, RandomState or None, default=None
        An int makes training repeatable bit for bit, whatever ``n_jobs``.
    n_jobs : int or None, default=None
        Threads; None is all cores (1 inside joblib workers), -1 too.
    verbose : int or bool, default=0
        Show a progress bar and a line for each epoch on standard error.
    backend : {"auto", "numba", "cython", "reference"}, default="auto"
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" needs a CPU with such products and trains about twice as fast.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Id of each token that the network knows; 0 is padding, 1 stands for the others.
    wide_ : WidePart or None
    blend_ : Blend
        How much the networks and the wide part count, fitted on documents held out.
    classes_ : array, shape (n_classes,)
    class_prior_ : float array, shape (n_classes,)
        Weighted share of each class in the training data.
    config_ : ModelConfig
    networks_ : list of Parameters
        The weights of each network.
    ngrams_ : NGrams
        The n-grams with vectors of their own.
    vector_coverage_ : Coverage or None
        How much of the vocabulary the given word vectors hold.
    history_ : list of dict
        One entry an epoch: ``epoch, network, loss, accuracy, val_loss, val_accuracy,
        learning_rate, seconds, tokens_per_second``.
    n_iter_ : int
        Epochs trained, of the network that has most.
    stopped_by_ : str
        "max_epochs", "early_stopping", "interrupt" or "non_finite_loss".
    backend_, backend_reason_ : str
        The backend that ran, and why ``backend="auto"`` took it.

    Examples
    --------
    >>> from fastlstm import LSTMSentimentClassifier
    >>> texts = ["a fine film", "great fun", "a dull film", "no fun at all"] * 8
    >>> labels = ["good", "good", "bad", "bad"] * 8
    >>> clf = LSTMSentimentClassifier(early_stopping=False, random_state=0)
    >>> clf.fit(texts, labels).predict(["great film", "dull"])
    array(['good', 'bad'], dtype='<U4')
    """

    _parameter_constraints = {
        **BaseLSTM._parameter_constraints,
        **TEXT_CONSTRAINTS,
        "wide": [StrOptions({"nb"}), None],
    }

    def __init__(
        self,
        *,
        tokenizer="auto",
        lowercase=True,
        max_features=30000,
        min_df=1,
        max_length=600,
        truncation="head_tail",
        missing="error",
        wide="nb",
        embedding_dim=128,
        hidden_size=64,
        num_layers=1,
        bidirectional=True,
        pooling="max",
        dropout=0.5,
        embedding_dropout=0.4,
        token_dropout=0.2,
        ngrams=2,
        max_ngrams=100_000,
        ngram_dropout=0.3,
        segment_length=100,
        average_decay=0.995,
        word_vectors="skipgram",
        optimizer="adam",
        learning_rate=3e-3,
        learning_rate_schedule="linear",
        warmup_fraction=0.05,
        max_grad_norm=1.0,
        momentum=0.9,
        weight_decay=0.01,
        batch_size=64,
        max_epochs="auto",
        early_stopping=False,
        validation_fraction=0.1,
        n_estimators=3,
        n_iter_no_change=3,
        calibrate=True,
        class_weight=None,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
        backend="auto",
        precision="float32",
    ):
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.max_features = max_features
        self.min_df = min_df
        self.max_length = max_length
        self.truncation = truncation
        self.missing = missing
        self.wide = wide
        self.embedding_dim = embedding_dim
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.dropout = dropout
        self.embedding_dropout = embedding_dropout
        self.token_dropout = token_dropout
        self.ngrams = ngrams
        self.max_ngrams = max_ngrams
        self.ngram_dropout = ngram_dropout
        self.segment_length = segment_length
        self.average_decay = average_decay
        self.word_vectors = word_vectors
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.backend = backend
        self.precision = precision

    def explain(self, X, *, method="integrated_gradients", target=None):
        """What each token of the documents adds to the logits.

        Parameters
        ----------
        X : documents
        method : {"integrated_gradients", "lrp", "gradient_x_input", "occlusion"}
            docs/explanation/attributions.md says what each can tell.
        target : label, ``fastlstm.explain.PREDICTED`` or None
            The class whose logit is explained; PREDICTED is the one each document is
            predicted as. None explains those of all classes, each of which costs as much
            where there are more than two.

        Returns
        -------
        explanations : list of Explanation
            With tokens, their places in the text, contributions of shape (n_tokens,
            n_targets), the baseline's logits and what stays unexplained. The linear part's
            contributions are exact under every method but "occlusion", which takes tokens
            away from the whole model.

        Raises
        ------
        ValueError
            If there is no such method or class.

        Notes
        -----
        Integrated gradients lead from a text of unknown tokens to the document. They are
        computed at 9 points of the path and then at more, until contributions and baseline
        add up to the logit within 1 % of their difference or within 0.001, at 513 points
        at most.
        """
        from fastlstm.explain.documents import explain_documents

        model, texts, n_threads = self._explained(X)
        with task_bar("explaining", self.verbose) as report:
            return explain_documents(model, texts, method, target, n_threads, report)

    def _explained(self, X):
        """What explanations need: the model, the documents, and how many threads."""
        from fastlstm.explain.documents import Model

        check_is_fitted(self)
        texts, _ = check_documents(X, missing=self.missing)
        model = Model(self._scorer(), self.encoder_, self.classes_)
        return model, texts, effective_n_jobs(self.n_jobs)

    def _encode_for_fit(self, X, y, others, *, first):
        texts, _ = check_documents(X, missing=self.missing)
        labels = check_labels(y)
        check_same_length(len(texts), labels)
        if others is not None:
            more, _ = check_documents(others, missing=self.missing, name="X_unlabelled")
            texts = [*texts, *more]
        if first:
            self.encoder_ = make_encoder(self)
            if self.wide:
                whole = self.encoder_.fit_whole(texts)
                encoded = Encoded(self.encoder_.shorten(whole), whole)
            else:
                encoded = Encoded(self.encoder_.fit(texts))
        else:
            self._check_same_text()
            encoded = self._read(texts)
        encoder = self.encoder_
        self.truncated_share_ = encoder.n_truncated_ / len(texts)
        warn_truncated(encoder.n_truncated_, len(texts), encoder.tokens_lost_, self.max_length)
        return encoded, labels

    def _read(self, texts) -> Encoded:
        whole = self.encoder_.read(texts)
        return Encoded(self.encoder_.shorten(whole), whole)

    def _check_same_text(self):
        """Refuse to go on with a vocabulary that was learned with other parameters."""
        for name in PARAMETERS:
            new, old = getattr(self, name), getattr(self.encoder_, name)
            if new != old:
                raise ValueError(
                    f"{name} is now {new!r}, but the fitted vocabulary was made with {old!r}. Set "
                    "it back to go on with this model, or fit anew with warm_start=False."
                )

    def _given_vectors(self, sequences):
        source, known = self.word_vectors, self.encoder_.vocabulary_.tokens[: self._n_tokens()]
        if isinstance(source, str) and not os.path.exists(source):
            raise ValueError(f'word_vectors={source!r} is neither "skipgram" nor a file.')
        counts = np.bincount(sequences.ids, minlength=len(known))
        vectors, found, self.vector_coverage_ = WordVectors.of(source, self.vocabulary_).table(
            known, counts
        )
        if self.verbose:
            print(f"word vectors: {self.vector_coverage_}", file=sys.stderr)
        return vectors, found

    def _encode(self, X, name="X"):
        texts, _ = check_documents(X, missing=self.missing, name=name)
        return self._read(texts)

    def _n_tokens(self):
        return self.encoder_.n_known_

    @property
    def _with_wide(self):
        return bool(self.wide)

    def _fit_wide(self, whole, data, seed, others):
        if not self.wide:
            return None, None
        # It brings in much of scikit-learn, which nothing else here needs.
        from fastlstm.classifier.linear_fit import fit_wide

        with task_bar("linear part", self.verbose) as report:
            return fit_wide(
                whole, len(self.encoder_.vocabulary_), data.y, data.weight, len(self.classes_),
                seed=seed, report=report, others=others,
            )  # fmt: skip
