"""What all tests share: the folder of real review sets, and a private kernel cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def _review_sets() -> Path | None:
    """$FASTLSTM_REVIEW_SETS, or shared/data beside the repository."""
    named = os.environ.get("FASTLSTM_REVIEW_SETS")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def review_sets() -> Path:
    """Folder of labelled sets (NAME/train.tsv.gz ...); the test skips without it."""
    folder = _review_sets()
    if folder is None:
        pytest.skip("no review sets: set FASTLSTM_REVIEW_SETS to their folder")
    return folder
