"""Differential privacy of what is learned from documents."""

from fastlstm.privacy.audit import Audit, audit
from fastlstm.privacy.settings import Privacy

__all__ = ["Audit", "Privacy", "audit"]
