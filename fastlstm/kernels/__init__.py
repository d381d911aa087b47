"""Compute kernels: one contract, several implementations.

``contract.py`` says what a backend must offer, ``reference.py`` is the NumPy
specification, ``numba/`` the compiled one, ``registry.py`` picks between them.
"""
