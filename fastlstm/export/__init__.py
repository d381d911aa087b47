"""Models that leave the package."""

from fastlstm.export.model import to_onnx

__all__ = ["to_onnx"]
