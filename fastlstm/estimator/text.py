"""LSTMSentimentClassifier: documents -> classes."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from fastlstm.classifier.long import ReadsLongTexts
from fastlstm.classifier.private import private_encoder
from fastlstm.core.errors import VocabularyWarning
from fastlstm.core.options import OF_TEXTS
from fastlstm.core.progress import task_bar
from fastlstm.core.records import Encoded
from fastlstm.estimator.base import BaseLSTM, Reading, fitted
from fastlstm.estimator.notes import warn_truncated
from fastlstm.estimator.private import PRIVATE_TEXTS, repeatable_seed
from fastlstm.estimator.text_parameters import (
    SIDE_CONSTRAINTS,
    TEXT_CONSTRAINTS,
    TextInputMixin,
    check_same_text,
    learn_encoder,
    text_options,
)
from fastlstm.estimator.validation import (
    check_labels,
    check_not_swapped,
    check_same_length,
    is_swapped,
)
from fastlstm.side.reader import learn_reader, read_documents
from fastlstm.text.encoder import TextEncoder, TextOptions

_TEXT = TextOptions()

# Documents that hold a token which the linear part alone reads, at least.
_FURTHER_MIN_DF = 2

# Fewer documents in a first call of partial_fit lack many of the words of later ones.
_FEW_DOCUMENTS = 1000


class LSTMSentimentClassifier(TextInputMixin, ReadsLongTexts, BaseLSTM):
    """LSTM text classifier: tokenise, embed, LSTM layers, pool, dense.

    X is documents: a list, tuple or other sequence of str, a NumPy array of shape
    (n_documents,) or (n_documents, 1), a series of pandas, polars or pyarrow, or a data
    frame. Of a frame with several columns one holds the text, and the others stand beside it
    (docs/reference/side.md). Labels may be in the same containers. A fitted estimator
    answers no documents with an empty result.

    Parameters
    ----------
    text_column : str, list or tuple of str, or None, default=None
        The column of a data frame that holds the text; several are read one behind the other,
        with a mark between them. None finds it by its name ("text", "review" and others) or
        its values; a "title" or "headline" beside it is read first.
    side : "auto", transformer or None, default="auto"
        How the other columns become numbers: "auto" standardises numbers, takes dates apart,
        and gives each frequent category a place of its own; a transformer of scikit-learn's
        kind is fitted on them instead, and such a model is pickled, not saved; None leaves
        them out.
    tokenizer : {"auto", "word", "char", "jieba"} or callable, default="auto"
        "auto" takes words and splits scripts without spaces (Chinese, Japanese,
        Thai and others) into characters; "jieba" splits Chinese into words and
        needs ``pip install 'fastlstm[zh]'``; a callable gets one cleaned document
        and returns a list of strings.
    lowercase : bool, default=True
    normalize : "all", list or tuple of str, or None, default="all"
        What is done to texts and words: "html" removes tags of HTML and decodes
        ``&amp;``; "decode" mends half-decoded text (``don\\u2019t``, `` #39;``,
        ``donâ€™t``); "fold" makes look-alike characters one; "social" makes addresses
        and mentions one token each and takes the ``#`` off hashtags; "squeeze" reads
        stretched words (``sooo``) that are unknown or rare as the plain ones. "all" is
        these five, None is none. Beside them "redact" makes every digit a 0 and e-mail
        addresses one word. ``["tags"]`` is what models before format 4 do.
        docs/reference/text.md has the tables.
    max_features : int or None, default=30000
        Size of the vocabulary: the most frequent tokens are kept.
    min_df : int or float, default=1
        Tokens in fewer documents (a float: in a smaller share) are unknown.
    max_length : int, "auto" or None, default="auto"
        Tokens of a document that are read; ``fit`` warns with the share of documents that
        were longer. "auto" is 600 or, where there are 2,000 documents and a fifth of them is
        longer than that, 10,000. None reads all.
    truncation : {"head", "tail", "head_tail"}, default="head_tail"
        Which tokens of a longer document are kept: the first, the last, or the
        first quarter and the last three quarters of ``max_length``.
    missing : {"error", "empty"}, default="error"
        What to do with None, NaN and pandas' NA: name the row, or score it at
        ``class_prior_``.
    zh_script : {"simplified"} or None, default=None
        "simplified" reads Traditional Chinese characters as their Simplified ones, so that
        both scripts have the same tokens. Needs ``pip install 'fastlstm[zh]'``.
    vocabulary : list, dict or set of str, or None, default=None
        The tokens that the model knows, instead of those that the first documents have:
        ``max_features`` and ``min_df`` then do not count, and the linear part reads no
        further tokens. A list is in the order of the ids; the numbers of a dict go up from
        0, or from 2 as in ``vocabulary_``; a set is sorted.
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
    cell : {"lstm", "rnn"}, default="lstm"
        "rnn" is the plain network, without gates, whose state is the tanh of one sum.
    forget_bias : float, default=1.0
        What biases of forget gates begin with; a larger one keeps states for longer.
    pooling : {"auto", "last", "mean", "max", "mean_max", "attention"}, default="auto"
        How a document's outputs become one vector. "last" takes the state after
        the last token (in reverse, after the first); "attention" weighs the outputs by a
        softmax of learned scores. "auto" is "attention" where so many documents are so long
        as read, else "max".
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
    segment_state : {"auto", "fresh", "carried", "truncated"}, default="auto"
        What such a part begins with: nothing, or the state in which the one before it (in
        reverse, behind it) ended. "truncated" has parts of just ``segment_length`` tokens, and
        gradients do not go back through a state that was handed over. "auto" is "carried" where
        ``pooling="auto"`` is "attention", else "fresh".
    recompute : bool or "auto", default="auto"
        Whether training keeps the states of few steps and computes the others again: memory
        then grows with the root of a document's length, and a step takes up to 1.5 times as
        long, with attention twice. "auto" does so where states of a shard of a minibatch would
        take more than 256 MiB. No bit of a gradient changes, but for the mean over segments.
    average_decay : float in [0, 1), default=0.995
        The weights that predict are a moving average over the steps, of which this
        share stays at each step; 0 takes the last weights. Not in ``partial_fit``.
    word_vectors : "skipgram", path, WordVectors, gensim's KeyedVectors or None, \
default="skipgram"
        What the vectors of tokens begin with. "skipgram" learns them from the training
        documents first (docs/explanation/maths.md, section 18). A file is one that
        ``WordVectors.load`` reads; its vectors must have ``embedding_dim`` numbers. None,
        and a token that is not among the vectors, begin at random.
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
        Epochs without a better validation accuracy before ``early_stopping`` ends training. Up to
        the accuracy of the most frequent class a lower loss counts as better, too.
    calibrate : bool, default=True
        Fit a temperature on the documents held out, so that probabilities are as often
        right as they say. With ``wide`` they always are fitted.
    class_weight : dict, "balanced" or None, default=None
        Factor on the loss of each class's documents.
    privacy : Privacy or None, default=None
        A promise of differential privacy to those whose documents these are: gradients of
        documents are clipped and noise is added. ``fit`` refuses what would break it. Needs
        ``pip install 'fastlstm[privacy]'``; docs/explanation/privacy.md.
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
    vocabulary_ : dict of str to int
        Id of each token that the network knows; 0 is padding, 1 stands for the others.
    wide_ : LinearPart or None
    blend_ : Blend
        How much the networks and the linear part count, fitted on documents held out.
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
    model_ : FittedModel
        All of the above but the backend, in one record.

    Examples
    --------
    >>> from fastlstm import LSTMSentimentClassifier
    >>> texts = ["a fine film", "great fun", "a dull film", "no fun at all"] * 8
    >>> labels = ["good", "good", "bad", "bad"] * 8
    >>> clf = LSTMSentimentClassifier(early_stopping=False, random_state=0)
    >>> clf.fit(texts, labels).predict(["great film", "dull"])
    array(['good', 'bad'], dtype='<U4')
    """

    # Of pickles from before there were these parameters.
    text_column, side = None, "auto"

    _private = PRIVATE_TEXTS

    _parameter_constraints = {
        **BaseLSTM._parameter_constraints,
        **TEXT_CONSTRAINTS,
        **SIDE_CONSTRAINTS,
        "wide": [StrOptions({"nb"}), None],
    }

    def __init__(
        self,
        *,
        text_column=None,
        side="auto",
        tokenizer=_TEXT.tokenizer,
        lowercase=_TEXT.lowercase,
        normalize="all",
        max_features=_TEXT.max_features,
        min_df=_TEXT.min_df,
        max_length="auto",
        truncation=_TEXT.truncation,
        missing="error",
        zh_script=_TEXT.zh_script,
        vocabulary=None,
        wide="nb",
        embedding_dim=OF_TEXTS.embedding_dim,
        hidden_size=OF_TEXTS.hidden_size,
        num_layers=OF_TEXTS.num_layers,
        bidirectional=OF_TEXTS.bidirectional,
        cell=OF_TEXTS.cell,
        forget_bias=OF_TEXTS.forget_bias,
        pooling=OF_TEXTS.pooling,
        dropout=OF_TEXTS.dropout,
        embedding_dropout=OF_TEXTS.embedding_dropout,
        token_dropout=OF_TEXTS.token_dropout,
        ngrams=OF_TEXTS.ngrams,
        max_ngrams=OF_TEXTS.max_ngrams,
        ngram_dropout=OF_TEXTS.ngram_dropout,
        segment_length=OF_TEXTS.segment_length,
        segment_state=OF_TEXTS.segment_state,
        recompute=OF_TEXTS.recompute,
        average_decay=OF_TEXTS.average_decay,
        word_vectors=OF_TEXTS.word_vectors,
        train_vectors=OF_TEXTS.train_vectors,
        optimizer=OF_TEXTS.optimizer,
        learning_rate=OF_TEXTS.learning_rate,
        learning_rate_schedule=OF_TEXTS.learning_rate_schedule,
        warmup_fraction=OF_TEXTS.warmup_fraction,
        max_grad_norm=OF_TEXTS.max_grad_norm,
        momentum=OF_TEXTS.momentum,
        weight_decay=OF_TEXTS.weight_decay,
        batch_size=OF_TEXTS.batch_size,
        max_epochs=OF_TEXTS.max_epochs,
        early_stopping=OF_TEXTS.early_stopping,
        validation_fraction=OF_TEXTS.validation_fraction,
        n_estimators=OF_TEXTS.n_estimators,
        n_iter_no_change=OF_TEXTS.n_iter_no_change,
        calibrate=OF_TEXTS.calibrate,
        class_weight=None,
        privacy=None,
        warm_start=False,
        random_state=None,
        n_jobs=OF_TEXTS.n_jobs,
        verbose=OF_TEXTS.verbose,
        backend=OF_TEXTS.backend,
        precision=OF_TEXTS.precision,
    ):
        self.text_column = text_column
        self.side = side
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.normalize = normalize
        self.max_features = max_features
        self.min_df = min_df
        self.max_length = max_length
        self.truncation = truncation
        self.missing = missing
        self.zh_script = zh_script
        self.vocabulary = vocabulary
        self.wide = wide
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
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.backend = backend
        self.precision = precision

    def explain(self, X, X_side=None, *, method="integrated_gradients", target=None):
        """What each token of the documents, and each column beside them, adds to the logits.

        Parameters
        ----------
        X : documents
        X_side : 2-D array of numbers or None
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
        at most. Classes that are explained together share these points, so with more than two
        classes ``target=None`` and one class give numbers that differ within that bound.
        """
        from fastlstm.explain.documents import explain_documents, reading_of

        check_is_fitted(self)
        scorer, documents, n_threads = reading_of(self, X, X_side)
        with task_bar("explaining", self.verbose) as report:
            return explain_documents(scorer, documents, method, target, n_threads, report)

    def coverage(self, X, X_side=None) -> np.ndarray:
        """Share of each document's tokens that the model knows.

        Parameters
        ----------
        X : documents
        X_side : 2-D array of numbers or None

        Returns
        -------
        coverage : float64 array, shape (n_documents,)
            As ``Predictor.coverage``: from 0 to 1, and 0 for a document without a token.
        """
        check_is_fitted(self)
        return self._encode(X, self.model_, X_side).coverage

    side_ = fitted("model_.side", "SidePart: weights of what stands beside the text, or None.")
    reader_ = fitted("model_.reader", "SideReader: how tables are read, or None.")
    encoder_ = fitted("model_.encoder", "TextEncoder.")
    vocabulary_ = fitted("model_.encoder", "Id of each token.", TextEncoder.known)
    truncated_share_ = fitted("model_.record.truncated_share", "Training documents cut.")
    vector_coverage_ = fitted("model_.record.coverage", "Coverage of given vectors, or None.")

    @property
    def _linear(self) -> bool:
        return bool(self.wide)

    def _read_for_fit(self, X, y, others, start, X_side=None) -> Reading:
        try:
            if start is None:
                documents, reader = learn_reader(
                    X, X_side, y, self.text_column, self.side, self.missing
                )
            else:
                reader = start.reader
                documents = read_documents(reader, X, X_side, missing=self.missing)
        except TypeError as error:
            if not is_swapped(X, y):
                raise
            raise TypeError(
                f"{error}. y holds texts: if they are the documents, pass them first: "
                "fit(texts, labels)."
            ) from error
        labels = check_labels(y)
        check_same_length(len(documents.texts), labels)
        if start is None:
            check_not_swapped(documents.texts, labels)
        if others is not None:
            if reader is not None and reader.takes_vectors:
                raise ValueError(
                    "X_unlabelled and X_side do not go together: vectors of documents without "
                    "labels cannot be passed. Leave one of the two out."
                )
            more = read_documents(reader, others, missing=self.missing, name="X_unlabelled")
            documents = documents.then(more)
        spent = ()
        if start is None and self.privacy is not None and self.vocabulary is None:
            seed = repeatable_seed(self.random_state)
            encoder, encoded, *spent = private_encoder(
                self.privacy, documents.texts, text_options(self), seed
            )
        elif start is None:
            further = _FURTHER_MIN_DF if self.wide else None
            encoder, encoded = learn_encoder(self, documents.texts, further)
        else:
            encoder = start.encoder
            check_same_text(text_options(self), encoder.options)
            encoded = encoder.encode(documents.texts)
        if self.privacy is None:  # how many were cut is nothing that is promised to be told
            warn_truncated(encoded, encoder.options.max_length)

        def encode(X, name, X_side):
            found = read_documents(reader, X, X_side, missing=self.missing, name=name)
            return found.of(encoder.encode(found.texts))

        encoded = documents.of(encoded)
        return Reading(
            encoder, encoder.n_known, encoded, labels, encode, {}, reader, spent=tuple(spent)
        )  # fmt: skip

    def _warn_of_first_part(self, n_documents) -> None:
        if self.vocabulary is None and n_documents < _FEW_DOCUMENTS:
            warnings.warn(
                f"the vocabulary of this model is that of the {n_documents} documents of this "
                "first call, and tokens of later calls that are not in it are unknown. Begin with "
                f"{_FEW_DOCUMENTS} documents or more, with fit, or with vocabulary=.",
                VocabularyWarning,
                stacklevel=3,
            )

    def _scorer_of_texts(self):
        check_is_fitted(self)
        return self.scorer_

    def _encode(self, X, model, X_side=None) -> Encoded:
        found = read_documents(model.reader, X, X_side, missing=self.missing, allow_empty=True)
        return found.of(model.encoder.encode(found.texts))
