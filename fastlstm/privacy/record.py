"""What a model says of the privacy of the documents that it learned from."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastlstm.privacy.accounting import NoisySteps, epsilon_of, noise_for
from fastlstm.privacy.settings import Privacy

# What every promise rests on, beside the noise.
ASSUMPTIONS = (
    "the classes, the vocabulary, the number of units and all parameters are public",
    "neighbouring sets of documents differ in one unit that is added or removed",
    "sums of gradients are taken for exact, though they are rounded",
)
_REPEATABLE = "NOT PRIVATE: the noise is repeatable (random_state), and who repeats it removes it"


class PrivacyRecord(NamedTuple):
    """A promise, and its parts.

    Attributes
    ----------
    epsilon, delta : float
        Of everything that ``fit`` did.
    parts : tuple of NoisySteps
    n_units : int
    unit : str
        "document" or "array".
    max_grad_norm : float
    repeatable : bool
        Whether the noise can be repeated: then nothing is promised.
    """

    epsilon: float
    delta: float
    parts: tuple[NoisySteps, ...]
    n_units: int
    unit: str
    max_grad_norm: float
    repeatable: bool

    @classmethod
    def of(
        cls, privacy: Privacy, parts: tuple[NoisySteps, ...], n_units: int, repeatable: bool
    ) -> PrivacyRecord:
        """With as much noise as is asked for, and what that promises.

        Raises
        ------
        ValueError
            If no noise within reason keeps the promise.
        ImportError
            If dp-accounting is not installed.
        """
        delta = float(privacy.delta if privacy.delta is not None else n_units**-1.1)
        noise = privacy.noise_multiplier
        if noise is None:
            assert privacy.epsilon is not None, "Privacy has one of the two"
            noise = noise_for(privacy.epsilon, delta, parts)
        parts = tuple(part._replace(noise_multiplier=float(noise)) for part in parts)
        unit = privacy.unit if isinstance(privacy.unit, str) else "array"
        return cls(
            epsilon_of(parts, delta), delta, parts, n_units, unit, float(privacy.max_grad_norm),
            repeatable,
        )  # fmt: skip

    def __str__(self) -> str:
        unit = "document" if self.unit == "document" else "unit of documents"
        said = f"epsilon {self.epsilon:.3g} with delta {self.delta:.2g} for each {unit}"
        parts = "; ".join(
            f"{part.what}: {part.steps:,} step{'s' if part.steps > 1 else ''}, "
            f"noise multiplier {part.noise_multiplier:.3g}, sampling rate {part.sampling_rate:.3g}"
            for part in self.parts
        )
        said += f" ({parts}), if {', '.join(ASSUMPTIONS)}"
        return f"{_REPEATABLE}. Without that: {said}" if self.repeatable else said

    def state(self) -> dict[str, Any]:
        """As JSON can hold it."""
        parts = [part._asdict() for part in self.parts]
        return {**self._asdict(), "parts": parts, "assumptions": list(ASSUMPTIONS)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> PrivacyRecord:
        """From what ``state`` returned.

        Raises
        ------
        ValueError, KeyError, TypeError
            Something is missing or of a wrong kind.
        """
        kinds: dict[str, Any] = {
            "epsilon": (int, float), "delta": (int, float), "n_units": int, "unit": str,
            "max_grad_norm": (int, float), "repeatable": bool,
        }  # fmt: skip
        for name, kind in kinds.items():
            if not isinstance(state[name], kind):
                raise ValueError(f"privacy: {name} is {state[name]!r}")
        parts = tuple(NoisySteps(**part) for part in state["parts"])
        for part in parts:
            numbers = part.sampling_rate, part.noise_multiplier, part.steps
            if not isinstance(part.what, str) or not all(type(n) in (int, float) for n in numbers):
                raise ValueError(f"privacy: a part is {part!r}")
        return cls(parts=parts, **{name: state[name] for name in kinds})
