"""What a benchmark's result says about the machine and the software it ran on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"

PACKAGES = (
    "numpy", "numba", "scikit-learn", "torch", "keras", "tensorflow-cpu", "tensorflow",
    "onnx", "onnxruntime", "fasttext", "gensim", "opacus", "optuna", "scipy",
)  # fmt: skip


def processor_name() -> str:
    """The processor's name as the operating system gives it."""
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def instruction_level() -> str:
    """The highest level of the kernels on this CPU; speeds of different levels stand apart."""
    from fastlstm.kernels.registry import load_backend

    return load_backend("auto").LEVEL


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Version of Python, fastlstm and every library of the comparison that is installed."""
    import fastlstm

    found = {"python": platform.python_version(), "fastlstm": fastlstm.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_revision() -> str | None:
    """Commit of the working tree, with "+changes" if files differ from it."""

    def git(*arguments):
        command = ["git", "-C", str(FOLDER), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    revision = git("rev-parse", "HEAD")
    if not revision:
        return None
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../fastlstm", ".")
    changed = [line for line in changed.splitlines() if "/results/" not in line]
    return revision + ("+changes" if changed else "")


def description() -> dict:
    """Processor, its instructions, usable cores, versions and revision, as all results begin."""
    from fastlstm.kernels.instructions import cpu_instructions

    return {
        "processor": processor_name(),
        "instructions": cpu_instructions(),
        "cores": usable_cores(),
        "versions": versions(),
        "revision": git_revision(),
    }


def thread_environment(threads: int) -> dict[str, str]:
    """Variables that give every library of the comparison the same number of threads."""
    names = (
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
    )  # fmt: skip
    return {
        **{name: str(threads) for name in names},
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
    }


def peak_rss_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    import resource
    import sys

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)


def review_sets_folder() -> Path:
    """The folder of public review sets, as $FASTLSTM_REVIEW_SETS names it; see CONTRIBUTING.md."""
    folder = os.environ.get("FASTLSTM_REVIEW_SETS")
    if not folder:
        raise SystemExit(
            "Set FASTLSTM_REVIEW_SETS to the folder of the review sets; CONTRIBUTING.md says "
            "how its files are laid out."
        )
    return Path(folder)
