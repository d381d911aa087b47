"""Numbers as pages and terminals show them."""

from __future__ import annotations


def fixed(value: float, form: str = ".2f") -> str:
    """A number in a format of fixed digits; one that is 0 there has no minus.

    Parameters
    ----------
    value : float
    form : str
        As of ``format``.
    """
    shown = format(value, form)
    return format(0.0, form) if float(shown) == 0 else shown
