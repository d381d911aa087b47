"""Parameters of estimators that take texts: what they may be, and the encoder that they ask for."""

from __future__ import annotations

import numbers
import os
from pathlib import Path

from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from fastlstm.core.records import Encoded
from fastlstm.text.clean import STEPS
from fastlstm.text.encoder import PARAMETERS, TRUNCATIONS, TextEncoder, TextOptions
from fastlstm.text.tokenizers import TOKENIZERS
from fastlstm.text.vocabulary import given_tokens
from fastlstm.text.zh_script import ZH_SCRIPTS
from fastlstm.vectors.files import check_file


class _Steps(Options):
    """A list or tuple of names of steps."""

    def __init__(self):
        super().__init__(str, set(STEPS))

    def is_satisfied_by(self, val):
        return isinstance(val, (list, tuple)) and all(map(super().is_satisfied_by, val))

    def __str__(self):
        return f"a list or tuple of names among {', '.join(map(repr, STEPS))}"


class _Names(HasMethods):
    """The name of a column, or a list or tuple of such."""

    # How the command line says it.
    words = 'the name of a column, or JSON such as ["title", "text"]'

    def __init__(self):
        super().__init__(["index"])

    def is_satisfied_by(self, val):
        several = isinstance(val, (list, tuple)) and all(isinstance(name, str) for name in val)
        return isinstance(val, str) or several

    def __str__(self):
        return "a str, or a list or tuple of str"


TEXT_CONSTRAINTS = {
    "tokenizer": [StrOptions(set(TOKENIZERS)), callable],
    "lowercase": ["boolean"],
    "normalize": [StrOptions({"all"}), _Steps(), None],
    "max_features": [Interval(numbers.Integral, 1, None, closed="left"), None],
    "min_df": [
        Interval(numbers.Integral, 1, None, closed="left"),
        Interval(numbers.Real, 0, 1, closed="neither"),
    ],
    "max_length": [Interval(numbers.Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
    "truncation": [StrOptions(set(TRUNCATIONS))],
    "missing": [StrOptions({"error", "empty"})],
    "zh_script": [StrOptions(set(ZH_SCRIPTS)), None],
    "vocabulary": ["array-like", None],
}

SIDE_CONSTRAINTS = {
    "text_column": [_Names(), None],
    "side": [StrOptions({"auto"}), HasMethods(["fit", "transform"]), None],
}


def check_needs(estimator) -> None:
    """Refuse parameters that need a package or a file that is not here.

    Raises
    ------
    ImportError, OSError, ValueError
        What ``fit`` would raise once it has read the documents.
    """
    text_options(estimator).tokenizer_function()
    source = estimator.word_vectors
    if isinstance(source, (str, os.PathLike)) and source != "skipgram":
        check_file(Path(source))


def text_options(estimator) -> TextOptions:
    """The text parameters of an estimator."""
    return TextOptions(**{name: getattr(estimator, name) for name in PARAMETERS})


def learn_encoder(
    estimator, texts: list[str], further: int | None = None
) -> tuple[TextEncoder, Encoded]:
    """An encoder with the estimator's vocabulary or, where that is None, of the documents."""
    options = text_options(estimator)
    if estimator.vocabulary is None:
        return TextEncoder.learn(texts, options, further)
    given = TextEncoder.of(given_tokens(estimator.vocabulary), options)
    whole = given.read(texts)
    encoder = TextEncoder(options.settled(whole.lengths), given.vocabulary, given.n_known)
    return encoder, Encoded(encoder.shorten(whole), whole)


def check_same_text(new: TextOptions, old: TextOptions) -> None:
    """Refuse to go on with a vocabulary that was learned with other parameters."""
    for name in PARAMETERS:
        wanted, fitted = getattr(new, name), getattr(old, name)
        if wanted != fitted and (name, wanted) != ("max_length", "auto"):
            raise ValueError(
                f"{name} is now {wanted!r}, but the fitted vocabulary was made with {fitted!r}. "
                "Set it back to go on with this model, or fit anew with warm_start=False."
            )


class TextInputMixin:
    """What scikit-learn should know of estimators that take documents."""

    # Of pickles from before there were these parameters.
    vocabulary, normalize, zh_script = None, ("tags",), None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = self.missing == "empty"
        return tags
