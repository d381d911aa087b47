"""What all tests share: every test for every backend, and the folder of real review sets."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.helpers import COMPILED

TESTS = Path(__file__).parent

# What these test has no kernel in it, or the same ones as other tests have. Without a
# compiler, or without Numba, they run on the backend that is there.
ONE_BACKEND = {
    "cli", "data", "estimator", "explain", "export", "persist", "privacy", "text",
    "test_bad_files.py", "test_bad_input.py", "test_benchmarks.py", "test_clients.py",
    "test_cores.py", "test_coverage.py", "test_docstrings.py", "test_examples.py",
    "test_house_rules.py", "test_layering.py", "test_notebooks.py", "test_page.py",
    "test_plotting.py", "test_report.py",
}  # fmt: skip


def pytest_generate_tests(metafunc):
    """Tests that do not name a backend run once for each that "auto" could stand for."""
    if "k" not in metafunc.fixturenames and "auto_backend" in metafunc.fixturenames:
        names = [k.NAME for k in COMPILED] or ["reference"]
        if Path(metafunc.module.__file__).relative_to(TESTS).parts[0] in ONE_BACKEND:
            names = names[:1]
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


@pytest.fixture(scope="session", autouse=True)
def interrupts():
    """Ctrl-C acts as on a terminal, here and in processes that a test starts.

    A shell makes what it starts in the background ignore it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def review_sets() -> Path:
    """Folder of labelled sets (NAME/train.tsv.gz ...); the test skips without it."""
    named = os.environ.get("FASTLSTM_REVIEW_SETS")
    if not named:
        pytest.skip("no review sets: set FASTLSTM_REVIEW_SETS to their folder")
    return Path(named)
