"""How many cores this process may use, and what says so.

Kernel and container say it in several places; the smallest number holds.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

# Takes the place of everything else.
OVERRIDE = "FASTLSTM_NUM_THREADS"

# What other libraries that compute in parallel go by.
_LIMITS = ("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS")


class Cores(NamedTuple):
    """A number of cores, and where it is from."""

    number: int
    reason: str


def find_cores(root: str = "/", environ: Mapping[str, str] = os.environ) -> Cores:
    """Cores that this process may use.

    The number in ``FASTLSTM_NUM_THREADS`` if that is set, otherwise the smallest of: the
    cores of the machine, those that the process may run on (CPU affinity), the quota of its
    control groups rounded up, ``LOKY_MAX_CPU_COUNT`` and ``OMP_NUM_THREADS``. At least 1.

    Parameters
    ----------
    root : str
        Folder that holds ``proc`` and ``sys``.
    environ : mapping

    Raises
    ------
    ValueError
        If ``FASTLSTM_NUM_THREADS`` is no positive whole number.
    """
    named = environ.get(OVERRIDE, "").strip()
    if named:
        count = _positive(named)
        if count is None:
            raise ValueError(
                f"{OVERRIDE}={named!r} is no positive whole number; set it to a number of "
                "threads, or unset it."
            )
        return Cores(count, OVERRIDE)
    limits = [Cores(os.cpu_count() or 1, "cores of the machine")]
    if hasattr(os, "sched_getaffinity"):
        limits.append(Cores(len(os.sched_getaffinity(0)), "CPU affinity"))
    quota = cgroup_quota(root)
    if quota is not None:
        limits.append(Cores(max(1, math.ceil(quota)), f"cgroup quota of {quota:g} cores"))
    for name in _LIMITS:
        # OpenMP takes a list, one number for each level of nesting.
        limit = _positive(environ.get(name, "").partition(",")[0].strip())
        if limit is not None:
            limits.append(Cores(limit, name))
    return min(limits, key=lambda limit: limit.number)


def _positive(text: str) -> int | None:
    """The number that a text says; None where it is no whole one from 1."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    return int(text) or None


@lru_cache(maxsize=8)
def cgroup_quota(root: str = "/") -> float | None:
    """Cores that the control groups of this process leave it, None without a limit.

    Both versions are read, and all groups from that of the process up: each may have a
    quota, and the smallest holds. What cannot be read or understood is no limit. Read once
    in a process.
    """
    try:
        folders = list(_group_folders(Path(root)))
    except (OSError, ValueError):  # no such system, or files of another form
        return None
    quotas = [quota for folder in folders if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _group_folders(root: Path) -> Iterator[Path]:
    """Folders of the groups that may limit this process, of every mounted hierarchy."""
    # A line is "number:controllers:path"; version 2 has no controllers.
    paths: dict[str, str] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            paths["cgroup" if controllers else "cgroup2"] = path
    for line in _read(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        mounted, place = before.split(" ")[3:5]
        kind, _, options = after.split(" ", 2)
        if kind not in paths or (kind == "cgroup" and "cpu" not in options.split(",")):
            continue
        mount = root / place.lstrip("/")
        # Within a container the path may begin above what is mounted there.
        group = PurePosixPath(paths[kind])
        inside = group.relative_to(mounted) if group.is_relative_to(mounted) else PurePosixPath()
        if ".." in inside.parts:
            inside = PurePosixPath()
        yield from (mount / part for part in (inside, *inside.parents))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _quota(folder: Path) -> float | None:
    """Cores that one group may use, None without a limit."""
    try:
        if (folder / "cpu.max").exists():  # version 2: "quota period" or "max period"
            quota, period = _read(folder / "cpu.max").split()
        else:
            quota, period = (_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota == "max":
            return None
        limit, of = int(quota), int(period)
    except (OSError, ValueError):
        return None
    return limit / of if limit > 0 and of > 0 else None  # -1 is no limit
