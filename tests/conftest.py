"""What all tests share: the folder of real review sets, and a private kernel cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def review_sets() -> Path:
    """Folder of labelled sets (NAME/train.tsv.gz ...); the test skips without it."""
    named = os.environ.get("FASTLSTM_REVIEW_SETS")
    if not named:
        pytest.skip("no review sets: set FASTLSTM_REVIEW_SETS to their folder")
    return Path(named)
