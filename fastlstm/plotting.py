"""Displays in the style of scikit-learn's; they need ``pip install 'fastlstm[plot]'``.

For confusion matrices and calibration scikit-learn's own displays take a fitted classifier
as it is: ``ConfusionMatrixDisplay.from_estimator`` and ``CalibrationDisplay.from_estimator``.
"""

from __future__ import annotations

import numpy as np

_FOR, _AGAINST = "#2166ac", "#c85a00"


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "plots need matplotlib, which is not installed: pip install 'fastlstm[plot]'"
        ) from error
    return plt


class LearningHistoryDisplay:
    """Loss and accuracy by epoch.

    Parameters
    ----------
    history : list of dict
        As ``history_`` of a fitted classifier.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : array of matplotlib Axes, shape (2,)
        Loss, and accuracy.
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, axes=None) -> LearningHistoryDisplay:
        """The history of a fitted classifier, drawn.

        Parameters
        ----------
        estimator : LSTMClassifier or LSTMSentimentClassifier
        axes : two matplotlib Axes, or None
            Where to draw; None makes a figure.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator)
        return cls(estimator.history_).plot(axes=axes)

    def plot(self, *, axes=None) -> LearningHistoryDisplay:
        """Draw a line for each network, training solid and held-out documents dashed."""
        plt = _pyplot()
        if axes is None:
            _, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
        self.axes_ = np.asarray(axes)
        self.figure_ = self.axes_[0].figure
        for ax, key in zip(self.axes_, ("loss", "accuracy"), strict=True):
            networks = sorted({record.get("network", 1) for record in self.history})
            for number, network in enumerate(networks):
                own = [r for r in self.history if r.get("network", 1) == network]
                for name, style, colour in ((key, "-", _FOR), (f"val_{key}", "--", _AGAINST)):
                    points = [(r["epoch"], r[name]) for r in own if name in r]
                    label = {key: "training", f"val_{key}": "held out"}[name]
                    if points:
                        ax.plot(*zip(*points, strict=True), style, color=colour, marker="o",
                                markersize=3, label=label if number == 0 else None)  # fmt: skip
            ax.set_xlabel("epoch")
            ax.set_ylabel(key)
            ax.legend(frameon=False)
        return self


class ExplanationDisplay:
    """The tokens that count most in one document, as bars.

    Parameters
    ----------
    explanation : Explanation

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    """

    def __init__(self, explanation):
        self.explanation = explanation

    @classmethod
    def from_estimator(
        cls, estimator, text, *, method="integrated_gradients", target=None, n=15, ax=None
    ) -> ExplanationDisplay:
        """Explain a text and draw it.

        Parameters
        ----------
        estimator : LSTMSentimentClassifier or Predictor
            Fitted.
        text : str
        method, target
            As in ``LSTMSentimentClassifier.explain``.
        n : int
            Tokens at most.
        ax : matplotlib Axes or None

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        from fastlstm.explain.documents import PREDICTED

        shown = PREDICTED if target is None else target
        (explanation,) = estimator.explain([text], method=method, target=shown)
        return cls(explanation).plot(target=target, n=n, ax=ax)

    def plot(self, *, target=None, n=15, ax=None) -> ExplanationDisplay:
        """Draw the strongest tokens in the order of the text, from top to bottom."""
        plt = _pyplot()
        if ax is None:
            _, ax = plt.subplots(figsize=(5, 0.5 + 0.28 * n), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        explanation = self.explanation
        column = explanation.column(target)
        values = explanation.contributions[:, column]
        shown = np.sort(np.argsort(-np.abs(values), kind="stable")[:n])
        colours = [_FOR if value > 0 else _AGAINST for value in values[shown]]
        places = np.arange(len(shown))
        ax.barh(places, values[shown], color=colours)
        # "$" is a character of the text, not the beginning of a formula.
        ax.set_yticks(places, [explanation.tokens[i] for i in shown], parse_math=False)
        ax.invert_yaxis()
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_xlabel(f"logit of {explanation.targets[column]}", parse_math=False)
        return self


class MemoryDisplay:
    """Norms of gradients by lag: how much the output depends on what stood so many steps ago.

    Parameters
    ----------
    norms : GradientNorms, or list of them
        What ``fastlstm.memory.gradient_norms`` gave, one line each.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    """

    def __init__(self, norms):
        self.norms = [norms] if hasattr(norms, "half_life") else list(norms)

    def plot(self, ax=None, *, of="states", layer=0, direction=0) -> MemoryDisplay:
        """Draw them, on a logarithmic scale.

        Parameters
        ----------
        ax : matplotlib Axes or None
            Where to draw; None makes a figure.
        of : {"states", "cells", "inputs"}
        layer, direction : int

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            If ``of`` is something else, or there is nothing of it to draw.
        """
        if of not in ("states", "cells", "inputs"):
            raise ValueError(f"of={of!r} is not known; use 'states', 'cells' or 'inputs'.")
        drawn = [norms for norms in self.norms if len(getattr(norms, of).ravel())]
        if not drawn:
            raise ValueError("there is nothing to draw: a plain RNN has no cells.")
        for norms in drawn:
            layers, directions = norms.states.shape[:2]
            if not (0 <= layer < layers and 0 <= direction < directions):
                raise ValueError(
                    f"layer={layer}, direction={direction} is not there: {norms.title} has "
                    f"{layers} layer(s) and {directions} direction(s), counted from 0."
                )
        if ax is None:
            _, ax = _pyplot().subplots(figsize=(7, 4), layout="constrained")
        for norms in drawn:
            found = getattr(norms, of)
            values = found[direction] if of == "inputs" else found[layer, direction]
            ax.plot(norms.lags, values, label=norms.title)
        ax.set(xlabel="steps to the end", ylabel=f"norm of the gradient by {of}", yscale="log")
        ax.legend()
        ax.grid(alpha=0.3)
        self.ax_, self.figure_ = ax, ax.figure
        return self
