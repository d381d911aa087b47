"""What all tests share: every test for every backend, and the folder of real review sets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers import COMPILED


def pytest_generate_tests(metafunc):
    """Tests that do not name a backend run once for each that "auto" could stand for."""
    if "k" not in metafunc.fixturenames and "auto_backend" in metafunc.fixturenames:
        names = [k.NAME for k in COMPILED] or ["reference"]
        metafunc.parametrize("auto_backend", names, indirect=True, scope="session")


@pytest.fixture(scope="session", autouse=True)
def auto_backend(request, tmp_path_factory):
    """What backend="auto" means, here and in processes that a test starts.

    These begin in an empty folder: in the source tree they would find the sources, which
    lack the C kernels, and not the package that is installed.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))
        if hasattr(request, "param"):
            patch.setenv("FASTLSTM_BACKEND", request.param)
        yield


@pytest.fixture(scope="session")
def review_sets() -> Path:
    """Folder of labelled sets (NAME/train.tsv.gz ...); the test skips without it."""
    named = os.environ.get("FASTLSTM_REVIEW_SETS")
    if not named:
        pytest.skip("no review sets: set FASTLSTM_REVIEW_SETS to their folder")
    return Path(named)
