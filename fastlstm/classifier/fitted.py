"""A fitted model: the one record of it, and the same made ready to predict.

The estimators, the predictor, explanations and model files all hold it. Nothing here
imports what fits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm.classifier.blend import COMPONENTS, Blend
from fastlstm.classifier.linear_part import LinearPart
from fastlstm.classifier.side_part import SidePart
from fastlstm.core.errors import BackendError
from fastlstm.core.records import Encoded, TokenSequences
from fastlstm.kernels.registry import load_backend, why
from fastlstm.network.config import ModelConfig
from fastlstm.network.losses import probabilities
from fastlstm.network.parameters import Parameters
from fastlstm.network.predict import Network, fill_empty, prior_logits
from fastlstm.privacy.record import PrivacyRecord
from fastlstm.side.reader import SideReader
from fastlstm.side.steps import StepReader
from fastlstm.text.encoder import TextEncoder
from fastlstm.text.ngrams import NGrams
from fastlstm.training.history import EpochRecord

# Of the LSTM's products in prediction; training has no int8.
_PRECISIONS = ("float32", "bfloat16", "int8")


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """What happened while a model was fitted.

    Attributes
    ----------
    history : sequence of EpochRecord
        Of each network, one after the other.
    stopped_by : str
        "max_epochs", "early_stopping", "interrupt" or "non_finite_loss".
    class_count : float64 array, shape (n_classes,)
        Weighted number of training documents of each class.
    truncated_share : float or None
        Of the training documents, that were cut; None for token ids.
    coverage : fastlstm.vectors.given.Coverage or None
        How much of the vocabulary the given word vectors hold; not in model files.
    privacy : PrivacyRecord or None
        What is promised to those whose documents they were.
    """

    history: Sequence[EpochRecord]
    stopped_by: str
    class_count: np.ndarray
    truncated_share: float | None = None
    coverage: Any = None
    privacy: PrivacyRecord | None = None

    @property
    def n_epochs(self) -> int:
        """Epochs trained, of the network that has most."""
        of_each = Counter(record.get("network", 1) for record in self.history)
        return max(of_each.values(), default=0)

    def of_network(self, number: int) -> list[EpochRecord]:
        """The epochs of one network, 0 for the first."""
        return [record for record in self.history if record.get("network", 1) == number + 1]


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A fitted classifier, without the code that fitted it.

    Attributes
    ----------
    encoder : TextEncoder or None
        None where the model takes token ids.
    config : ModelConfig
    networks : tuple of Parameters
        At least one; their logits are averaged.
    ngrams : NGrams
        Those that have vectors of their own.
    linear : LinearPart or None
        Only beside an encoder.
    blend : Blend
        How much each component counts.
    classes : array, shape (n_classes,)
        Strings, integers, floats or booleans.
    class_prior : float64 array, shape (n_classes,)
        Probabilities of a document without a token.
    record : TrainingRecord
    quantized : bool
        Whether the weights are rounded as ``fastlstm.classifier.quantized`` does it. Nothing
        trains such a model.
    reader : SideReader or None
        How tables, or vectors beside documents, are read; None for text alone.
    side : SidePart or None
        Of what stands beside the text.
    steps : StepReader or None
        How features of steps are read, beside token ids or alone.
    """

    encoder: TextEncoder | None
    config: ModelConfig
    networks: tuple[Parameters, ...]
    ngrams: NGrams
    linear: LinearPart | None
    blend: Blend
    classes: np.ndarray
    class_prior: np.ndarray
    record: TrainingRecord
    quantized: bool = False
    reader: SideReader | None = None
    side: SidePart | None = None
    steps: StepReader | None = None

    @property
    def components(self) -> list[str]:
        """Names of what the blend weighs."""
        there = (True, self.linear is not None, self.side is not None)
        return [name for name, is_there in zip(COMPONENTS, there, strict=True) if is_there]

    @property
    def text_encoder(self) -> TextEncoder:
        """The encoder of a model that takes texts."""
        assert self.encoder is not None, "the model takes token ids"
        return self.encoder


def mean_logits(
    networks: Sequence[Network], sequences: TokenSequences, prior: np.ndarray, n_threads: int = 1
) -> np.ndarray:
    """Mean of the networks' logits, shape (n_documents, n_outputs)."""
    first, *others = [network.logits(sequences, prior, n_threads) for network in networks]
    if not others:
        return first
    mean: np.ndarray = sum(others, start=first) / len(networks)
    return mean


def logits_beside(
    linear: LinearPart | None, side: SidePart | None, encoded: Encoded
) -> list[np.ndarray]:
    """Logits of each part beside the networks that is there, shape (n_documents, n_outputs)."""
    found = []
    if linear is not None:
        assert encoded.whole is not None, "a linear part reads whole texts"
        found.append(linear.logits(encoded.whole))
    if side is not None:
        assert encoded.side is not None, "the model reads what stands beside a text, too"
        found.append(side.logits(encoded.side))
    return found


class Scorer:
    """A fitted model on a backend of this machine: from encoded documents to logits.

    Parameters
    ----------
    model : FittedModel
    backend : {"auto", "numba", "cython", "reference"}
    precision : {"float32", "bfloat16", "int8"}
        Of the LSTM's matrix products.

    Attributes
    ----------
    model : FittedModel
    networks : list of Network
    backend, reason : str
        Which backend it is, and why.
    precision : str

    Raises
    ------
    BackendError
        If the backend or the precision is not available on this machine.
    ValueError
        If there is no such backend or precision.
    """

    def __init__(self, model: FittedModel, backend: str = "auto", precision: str = "float32"):
        k = load_backend(backend)
        if precision not in _PRECISIONS:
            names = ", ".join(map(repr, _PRECISIONS))
            raise ValueError(f"precision={precision!r} is not known; use one of {names}.")
        if precision == "int8" and usable_precision(backend, precision) != precision:
            raise BackendError(
                f"precision='int8' needs products of 8-bit numbers, which backend={k.NAME!r} has "
                "not on this machine. Use precision='float32'."
            )
        self.model = model
        self.backend, self.reason, self.precision = k.NAME, why(backend), precision
        self.networks = [Network(k, model.config, each, precision) for each in model.networks]

    def with_slopes(self) -> Scorer:
        """The same model where gradients can be taken: int8 products only go forward."""
        return self if self.precision != "int8" else Scorer(self.model, self.backend)

    def uses_threads(self, encoded: Encoded) -> bool:
        """Whether documents are so many or so long that a second thread has work."""
        return self.networks[0].uses_threads(encoded.sequences)

    def components(self, encoded: Encoded, n_threads: int = 1) -> list[np.ndarray]:
        """Logits of each of ``model.components``, of shape (n_documents, n_outputs)."""
        model = self.model
        sequences = model.ngrams.longest(encoded.sequences)
        of_networks = mean_logits(self.networks, sequences, model.class_prior, n_threads)
        return [of_networks, *logits_beside(model.linear, model.side, encoded)]

    def contributions(self, encoded: Encoded, n_threads: int = 1) -> dict[str, np.ndarray]:
        """What each component adds to the logits of the whole; float64 arrays of their shape."""
        logits, blend = self.components(encoded, n_threads), self.model.blend
        shares = zip(self.model.components, blend.shares, logits, strict=True)
        found = {name: share * part.astype(np.float64) for name, share, part in shares}
        found["bias"] = np.tile(blend.bias, (len(logits[0]), 1))
        if self.model.config.by_step:
            return found
        empty = encoded.sequences.lengths == 0
        for name, added in found.items():
            added[empty] = prior_logits(self.model.class_prior) if name == "bias" else 0
        return found

    def logits(self, encoded: Encoded, n_threads: int = 1) -> np.ndarray:
        """Logits of the whole, float64, shape (n_documents, n_outputs).

        Of a model that classifies each step, of shape (n_steps, n_outputs).
        """
        logits = self.model.blend(self.components(encoded, n_threads))
        if self.model.config.by_step:
            return logits
        fill_empty(logits, encoded.sequences, self.model.class_prior)
        return logits

    def probabilities(self, encoded: Encoded, n_threads: int = 1) -> np.ndarray:
        """Class probabilities of the whole, float64, shape (n_documents, n_classes)."""
        found: np.ndarray = probabilities(self.logits(encoded, n_threads))
        return found

    def logits_of_whole(
        self, whole: TokenSequences, n_threads: int = 1, side: np.ndarray | None = None
    ) -> np.ndarray:
        """Logits of the whole, of whole documents of a model of texts, and what is beside them."""
        encoded = Encoded(self.model.text_encoder.shorten(whole), whole)
        return self.logits(encoded if side is None else encoded.beside(side), n_threads)

    def side_weights(self) -> np.ndarray:
        """What one of each number beside a text adds to the logits, float64, (n_outputs, n_side).

        Exact: networks and the part that reads these numbers alone take weighted sums of them.
        """
        model, width = self.model, self.model.config.pooled_width
        shares = dict(zip(model.components, model.blend.shares, strict=True))
        heads = [each.named["dense.w"][width:].T for each in model.networks]
        found: np.ndarray = shares["networks"] * np.mean(heads, axis=0, dtype=np.float64)
        if model.side is not None:
            found = found + shares["side_columns"] * model.side.weights
        return found


def usable_precision(backend: str, precision: str) -> str:
    """``precision``, or "float32" where this machine lacks such products.

    Weights are float32 whatever the precision is, so a model predicts either way.
    """
    if precision == "float32":
        return precision
    k = load_backend(backend)
    try:
        packed = k.packed_dtype(np.float32, precision, training=precision != "int8")
    except BackendError:
        return "float32"
    # A backend without int8 products may pack such weights as the floats that they are.
    return "float32" if packed == np.float32 else precision


def predicting_precision(model: FittedModel, backend: str, precision: str = "float32") -> str:
    """The precision a model predicts in: int8 for one of 8 bits, else ``precision``.

    "float32" where this machine lacks such products.
    """
    return usable_precision(backend, "int8" if model.quantized else precision)
