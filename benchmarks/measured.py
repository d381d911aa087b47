"""Results files, as tables and plots read them."""

from __future__ import annotations

import json
from pathlib import Path

GROUPS = ("PyTorch", "Keras", "ONNX Runtime", "NumPy", "TF-IDF + LR")


def read(folder: Path, name: str) -> dict | None:
    """A results file; None if there is none."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def group_ratios(result: dict, precision: str) -> dict[str, float]:
    """Time of each group's best way beside fastlstm's in the same precision."""
    key = "times_fastlstm" if precision == "float32" else "times_fastlstm_bf16"
    ratios = result.get(key, {})
    best = {group: ways.get(precision) for group, ways in result["best"].items()}
    return {g: ratios[name] for g, name in best.items() if name in ratios and g != "fastlstm"}
