"""What is promised: the parameter ``privacy`` of the estimators."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Privacy:
    """A promise of differential privacy, and how training keeps it.

    Parameters
    ----------
    epsilon : float or None
        What is promised, together with ``delta``: with or without one unit's documents, no
        outcome of ``fit`` is more than e^epsilon times as likely, but for a probability of
        delta. The noise is chosen so that the promise holds. It is that of one call: what calls
        of ``partial_fit`` and of ``fit`` with ``warm_start`` promise together is ``privacy_``.
    delta : float or None
        None is 1 / n^1.1 for n units, of which there must be 66 or more.
    noise_multiplier : float or None
        Standard deviation of the noise by ``max_grad_norm``, in place of ``epsilon``; what it
        promises is computed.
    max_grad_norm : float
        Each document's gradient is scaled down to this norm. Gradients of documents are mostly
        that long or longer; noise is in proportion to it.
    expected_batch_size : int
        Units that a step draws on average: each is drawn by itself, with a probability of
        ``expected_batch_size`` / n.
    unit : "document" or array-like, shape (n_documents,)
        Whose presence is hidden. An array says whose each document is: the documents of a
        person are drawn together, and the mean of their clipped gradients counts as one.
    vocabulary_share : float in (0, 1)
        Where texts come without a given vocabulary: the choice of tokens alone would promise
        this share of ``epsilon``. Training gets what is left, which is more than the
        difference, as squares add up.
    linear_share : float in (0, 1)
        The same for the linear part, where there is one (``wide``).
    blend_share : float in (0, 1)
        The same for how much the linear part and the networks count.

    Raises
    ------
    ValueError, TypeError
        If not just one of ``epsilon`` and ``noise_multiplier`` is given, or a number is out of
        its range.

    Notes
    -----
    Abadi et al. 2016, "Deep learning with differential privacy". Neighbouring sets of documents
    differ in one unit that is added or removed. docs/explanation/privacy.md says what is
    promised and what is not.

    Examples
    --------
    >>> from fastlstm import Privacy
    >>> Privacy(epsilon=3.0)
    Privacy(epsilon=3.0)
    """

    epsilon: float | None = None
    delta: float | None = None
    noise_multiplier: float | None = None
    max_grad_norm: float = 0.1
    expected_batch_size: int = 1024
    unit: Any = "document"
    vocabulary_share: float = 0.25
    linear_share: float = 0.75
    blend_share: float = 0.15

    def __post_init__(self) -> None:
        if (self.epsilon is None) == (self.noise_multiplier is None):
            raise ValueError(
                "Privacy takes epsilon, what is promised, or noise_multiplier, from which it "
                "follows: give one of the two."
            )
        for name in ("epsilon", "noise_multiplier", "max_grad_norm"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 < value < math.inf):
                raise ValueError(f"{name} must be a number above 0, got {value!r}")
        if self.delta is not None and not (_is_number(self.delta) and 0 < self.delta < 1):
            raise ValueError(f"delta must be a number between 0 and 1 or None, got {self.delta!r}")
        for name in ("vocabulary_share", "linear_share", "blend_share"):
            value = getattr(self, name)
            if not (_is_number(value) and 0 < value < 1):
                raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}")
        size = self.expected_batch_size
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            raise ValueError(f"expected_batch_size must be an int of at least 1, got {size!r}")
        if isinstance(self.unit, str) and self.unit != "document":
            raise ValueError(
                f'unit must be "document", or an array that says whose each document is, got '
                f"{self.unit!r}"
            )

    def __repr__(self) -> str:
        shown = []
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if name == "unit" and not isinstance(value, str):
                shown.append(f"unit=<array of {len(value)}>")
            elif value != default:
                shown.append(f"{name}={value!r}")
        return f"Privacy({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Privacy) or self.state() != other.state():
            return False
        return np.array_equal(np.asarray(self.unit), np.asarray(other.unit))

    def __hash__(self) -> int:
        return hash((self.epsilon, self.noise_multiplier, self.max_grad_norm))

    def delta_of(self, n_units: int) -> float:
        """``delta``, or what None stands for.

        Raises
        ------
        ValueError
            If that promises next to nothing.
        """
        if self.delta is not None:
            return float(self.delta)
        found = float(max(1, n_units) ** -1.1)
        if found > _LARGEST_DELTA:
            raise ValueError(
                f"delta=None is 1 / n^1.1 = {found:.2g} for {n_units} units, and a promise that "
                "fails so often is none. Give delta, such as 1e-5, or train on more."
            )
        return found

    def units_of(self, n_documents: int) -> np.ndarray:
        """The number of each document's unit, from 0 on, int64, shape (n_documents,).

        Raises
        ------
        ValueError
            If ``unit`` has another length.
        """
        if isinstance(self.unit, str):
            return np.arange(n_documents)
        names = np.asarray(self.unit)
        if names.dtype == object:
            if any(name is None or name != name for name in names.tolist()):
                raise ValueError("privacy.unit has no unit for some documents; name one for each.")
            names = names.astype(str)
        if names.shape != (n_documents,):
            raise ValueError(
                f"privacy.unit has shape {names.shape}, and there are {n_documents} documents: it "
                "says of each document whose it is."
            )
        return np.unique(names, return_inverse=True)[1].astype(np.int64)

    def state(self) -> dict[str, Any]:
        """Parameters as JSON can hold them; of an array ``unit`` only that there was one."""
        values = {name: getattr(self, name) for name in _DEFAULTS}
        if not isinstance(values["unit"], str):
            values["unit"] = "array"
        return {k: v.item() if hasattr(v, "item") else v for k, v in values.items()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Privacy:
        """From what ``state`` returned; an array is not there any more.

        Raises
        ------
        ValueError, TypeError
            A value is of a wrong kind or out of its range.
        """
        known = dict(state)
        if known.get("unit") == "array":
            known["unit"] = ()
        return cls(**known)


# Of delta=None.
_LARGEST_DELTA = 0.01

_DEFAULTS = {name: field.default for name, field in Privacy.__dataclass_fields__.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
