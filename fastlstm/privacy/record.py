"""What a model says of the privacy of the documents that it learned from."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastlstm.privacy.accounting import NoisySteps, epsilon_of, noise_for
from fastlstm.privacy.selection import VOCABULARY
from fastlstm.privacy.settings import Privacy

# What every promise rests on, beside the noise; and where nothing chose a vocabulary.
_ASSUMPTIONS = (
    "the classes, the number of units and all parameters are public",
    "neighbouring sets of documents differ in one unit that is added or removed",
    "sums of gradients are taken for exact, though they are rounded",
)
_OF_VOCABULARY = "tokens are public"
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
        cls, privacy: Privacy, parts: tuple[NoisySteps, ...], n_units: int, repeatable: bool,
        spent: tuple[NoisySteps, ...] = (),
    ) -> PrivacyRecord:  # fmt: skip
        """With as much noise as is asked for, and what that promises.

        ``spent`` are parts that have their noise already.

        Raises
        ------
        ValueError
            If no noise within reason keeps the promise.
        ImportError
            If dp-accounting is not installed.
        """
        delta = privacy.delta_of(n_units)
        noise = privacy.noise_multiplier
        if noise is None:
            assert privacy.epsilon is not None, "Privacy has one of the two"
            noise = noise_for(privacy.epsilon, delta, parts, spent)
        parts = spent + tuple(part._replace(noise_multiplier=float(noise)) for part in parts)
        unit = privacy.unit if isinstance(privacy.unit, str) else "array"
        return cls(
            epsilon_of(parts, delta), delta, parts, n_units, unit, float(privacy.max_grad_norm),
            repeatable,
        )  # fmt: skip

    def after(self, before: PrivacyRecord) -> PrivacyRecord:
        """All that two fits of one model promise together, with the delta of the first.

        A unit may have documents in both.
        """
        parts = before.parts + self.parts
        return before._replace(
            epsilon=epsilon_of(parts, before.delta), parts=parts,
            n_units=max(before.n_units, self.n_units), max_grad_norm=self.max_grad_norm,
            repeatable=before.repeatable or self.repeatable,
        )  # fmt: skip

    @property
    def assumptions(self) -> list[str]:
        """What the promise rests on, beside the noise."""
        chosen = any(part.what == VOCABULARY for part in self.parts)
        return [*_ASSUMPTIONS, *([] if chosen else [_OF_VOCABULARY])]

    def __str__(self) -> str:
        unit = "document" if self.unit == "document" else "unit of documents"
        said = f"epsilon {self.epsilon:.3g} with delta {self.delta:.2g} for each {unit}"
        parts = "; ".join(
            f"{part.what}: {part.steps:,} step{'s' if part.steps > 1 else ''}, "
            f"noise multiplier {part.noise_multiplier:.3g}, sampling rate {part.sampling_rate:.3g}"
            for part in self.parts
        )
        said += f" ({parts}), if {', '.join(self.assumptions)}"
        return f"{_REPEATABLE}. Without that: {said}" if self.repeatable else said

    def state(self) -> dict[str, Any]:
        """As JSON can hold it."""
        parts = [part._asdict() for part in self.parts]
        return {**self._asdict(), "parts": parts, "assumptions": self.assumptions}

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
            numbers = part[1:]
            if not isinstance(part.what, str) or not all(type(n) in (int, float) for n in numbers):
                raise ValueError(f"privacy: a part is {part!r}")
        return cls(parts=parts, **{name: state[name] for name in kinds})
