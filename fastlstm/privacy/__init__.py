"""Differential privacy of what is learned from documents."""

from fastlstm.privacy.settings import Privacy

__all__ = ["Privacy"]
