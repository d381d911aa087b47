"""How many cores a process may use: affinity, control groups of both versions, variables."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from joblib import Parallel, cpu_count, delayed

from fastlstm.core import cores, threads
from fastlstm.core.cores import cgroup_quota, find_cores
from fastlstm.core.threads import effective_n_jobs, usable_cores

VARIABLES = ("FASTLSTM_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS")

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 16 cores, all of which the process may run on; its root folder."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    return tmp_path


def groups(root, cgroup, mountinfo, quotas):
    """What the kernel shows: the process's groups, mounts, and files below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup, encoding="utf-8")
    (root / "proc/self/mountinfo").write_text(mountinfo, encoding="utf-8")
    for name, text in quotas.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return find_cores(str(root), {})


def v1(folder, quota, period=100_000):
    return {
        f"cpu,cpuacct/{folder}cpu.cfs_quota_us": f"{quota}\n",
        f"cpu,cpuacct/{folder}cpu.cfs_period_us": f"{period}\n",
    }


CASES = {
    # version 2
    "container": ("0::/\n", V2, {"cpu.max": "200000 100000\n"}, 2),
    "part of a core": ("0::/\n", V2, {"cpu.max": "150000 100000\n"}, 2),
    "less than a core": ("0::/\n", V2, {"cpu.max": "5000 100000\n"}, 1),
    "another period": ("0::/\n", V2, {"cpu.max": "150000 50000\n"}, 3),
    "no limit": ("0::/\n", V2, {"cpu.max": "max 100000\n"}, 16),
    "more than there are": ("0::/\n", V2, {"cpu.max": "9900000 100000\n"}, 16),
    "the process's own group": (
        "0::/user.slice/job\n", V2, {"user.slice/job/cpu.max": "400000 100000\n"}, 4,
    ),
    "a group above it": (
        "0::/a/b/c\n", V2,
        {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000", "a/b/c/cpu.max": "500000 1000"},
        3,
    ),
    "another group": ("0::/a\n", V2, {"a/cpu.max": "max 100000", "b/cpu.max": "100000 100000"}, 16),
    "above the namespace": ("0::/../../x\n", V2, {"cpu.max": "300000 100000"}, 3),
    "mounted from a group": (
        "0::/docker/1\n", V2.replace("0:26 /", "0:26 /docker/1"), {"cpu.max": "300000 100000"}, 3,
    ),
    "mounted from another group": (
        "0::/x\n", V2.replace("0:26 /", "0:26 /docker/1"), {"cpu.max": "300000 100000"}, 3,
    ),
    # version 1
    "v1": ("4:cpu,cpuacct:/\n3:cpuset:/\n", V1, v1("", 300_000), 3),
    "v1, no limit": ("4:cpu,cpuacct:/\n", V1, v1("", -1), 16),
    "v1, nested": (
        "9:name=systemd:/x\n4:cpu,cpuacct:/a/b\n", V1,
        {**v1("", -1), **v1("a/", 200_000), **v1("a/b/", 250_000)}, 2,
    ),
    "v1, in a container": (
        "4:cpu,cpuacct:/docker/1\n", V1.replace("0:29 /", "0:29 /docker/1"), v1("", 500_000), 5,
    ),
    "v1, cpuset is another controller": ("3:cpuset:/\n", V1, v1("", 300_000), 16),
    # both at once, as systemd mounts them
    "hybrid": (
        "4:cpu,cpuacct:/a\n0::/a\n", V1 + V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
        {**v1("a/", 700_000), "unified/a/cpu.max": "600000 100000"}, 6,
    ),
    # nothing to be understood
    "empty quota": ("0::/\n", V2, {"cpu.max": ""}, 16),
    "words": ("0::/\n", V2, {"cpu.max": "many often"}, 16),
    "no period": ("0::/\n", V2, {"cpu.max": "200000"}, 16),
    "period of 0": ("0::/\n", V2, {"cpu.max": "200000 0"}, 16),
    "no group": ("", V2, {"cpu.max": "200000 100000"}, 16),
    "other lines": ("what is this\n", V2, {"cpu.max": "200000 100000"}, 16),
    "no mount": ("0::/\n", "", {"cpu.max": "200000 100000"}, 16),
    "other mounts": ("0::/\n", "1 2\n", {"cpu.max": "200000 100000"}, 16),
    "v1 without a period": ("4:cpu,cpuacct:/\n", V1, {"cpu,cpuacct/cpu.cfs_quota_us": "1000"}, 16),
    "one unreadable, one not": (
        "0::/a\n", V2, {"a/cpu.max": "?", "cpu.max": "200000 100000"}, 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_quota_of_control_groups(machine, case):
    *shown, expected = CASES[case]
    found = groups(machine, *shown)
    assert found.number == expected
    assert found.reason.startswith("cgroup quota" if expected < 16 else "cores of the machine")


def test_no_control_groups(machine):
    assert find_cores(str(machine), {}) == (16, "cores of the machine")


def test_a_folder_in_place_of_a_quota(machine):
    (machine / "sys/fs/cgroup/cpu.max").mkdir(parents=True)
    assert groups(machine, "0::/\n", V2, {}).number == 16


def test_quota_is_read_once(machine):
    groups(machine, "0::/\n", V2, {"cpu.max": "200000 100000"})
    (machine / "sys/fs/cgroup/cpu.max").write_text("300000 100000", encoding="utf-8")
    assert find_cores(str(machine), {}).number == 2
    cgroup_quota.cache_clear()
    assert find_cores(str(machine), {}).number == 3


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, (3, "OMP_NUM_THREADS")),
        ({"OMP_NUM_THREADS": " 3 , 2"}, (3, "OMP_NUM_THREADS")),
        ({"LOKY_MAX_CPU_COUNT": "5"}, (5, "LOKY_MAX_CPU_COUNT")),
        ({"LOKY_MAX_CPU_COUNT": "5", "OMP_NUM_THREADS": "4"}, (4, "OMP_NUM_THREADS")),
        ({"LOKY_MAX_CPU_COUNT": "2", "OMP_NUM_THREADS": "4"}, (2, "LOKY_MAX_CPU_COUNT")),
        ({"OMP_NUM_THREADS": "99"}, (6, "cgroup quota of 5.5 cores")),
        # What has no meaning in another library's variable is that library's affair.
        ({"OMP_NUM_THREADS": "all"}, (6, "cgroup quota of 5.5 cores")),
        ({"OMP_NUM_THREADS": "0"}, (6, "cgroup quota of 5.5 cores")),
        ({"OMP_NUM_THREADS": "-1", "LOKY_MAX_CPU_COUNT": ""}, (6, "cgroup quota of 5.5 cores")),
        ({"FASTLSTM_NUM_THREADS": "3"}, (3, "FASTLSTM_NUM_THREADS")),
        ({"FASTLSTM_NUM_THREADS": " 40 ", "OMP_NUM_THREADS": "2"}, (40, "FASTLSTM_NUM_THREADS")),
        ({"FASTLSTM_NUM_THREADS": "", "OMP_NUM_THREADS": "2"}, (2, "OMP_NUM_THREADS")),
    ],
    ids=str,
)
def test_variables(machine, environ, expected):
    groups(machine, "0::/\n", V2, {"cpu.max": "550000 100000"})
    assert find_cores(str(machine), environ) == expected


@pytest.mark.parametrize("value", ["0", "-1", "2.5", "all", "٣", "1" * 30])
def test_own_variable_without_meaning_is_an_error(monkeypatch, value):
    monkeypatch.setenv("FASTLSTM_NUM_THREADS", value)
    for ask in (usable_cores, lambda: effective_n_jobs(None), lambda: effective_n_jobs(-1)):
        with pytest.raises(ValueError, match="FASTLSTM_NUM_THREADS=.*set it to a number of thr"):
            ask()
    assert effective_n_jobs(3) == 3  # which asks nobody


def test_affinity(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 7}, raising=False)
    assert find_cores(str(machine), {}) == (3, "CPU affinity")


def test_systems_without_affinity(machine, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert find_cores(str(machine), {}).number == 16
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert find_cores(str(machine), {}).number == 1


def test_n_jobs_counts_from_the_limit_and_a_number_is_obeyed(monkeypatch):
    monkeypatch.setattr(threads, "find_cores", lambda: cores.Cores(4, "for the test"))
    for n_jobs, expected in {None: 4, -1: 4, -2: 3, -9: 1, 1: 1, 4: 4, 32: 32}.items():
        assert effective_n_jobs(n_jobs) == expected


@pytest.mark.parametrize("n_jobs", ["2", 1.5, [1]], ids=str)
def test_n_jobs_of_another_type(n_jobs):
    with pytest.raises(TypeError, match="n_jobs=.* is no whole number"):
        effective_n_jobs(n_jobs)


# Against what others make of the same machine


@pytest.mark.parametrize("limit", ["1", "2", "1000"])
def test_as_joblib_counts(monkeypatch, limit):
    monkeypatch.delenv("FASTLSTM_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", limit)
    # joblib does not look at the groups above and below the one that is mounted.
    assert 1 <= usable_cores() <= cpu_count() <= int(limit)


ASK = "from fastlstm.core.threads import effective_n_jobs as n; print(n(None), n(-1), n(7))"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"FASTLSTM_NUM_THREADS": "5"}, "5 5 7"),
        ({"OMP_NUM_THREADS": "1"}, "1 1 7"),
        ({"LOKY_MAX_CPU_COUNT": "1", "OMP_NUM_THREADS": "8"}, "1 1 7"),
    ],
)
def test_in_a_new_process(variables, expected):
    environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env={**environ, **variables}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() == expected


def test_workers_of_joblib_keep_the_limits(monkeypatch):
    """-1 in a worker means the cores that joblib leaves it; None one thread."""
    monkeypatch.setenv("FASTLSTM_NUM_THREADS", "3")
    calls = [delayed(effective_n_jobs)(n_jobs) for n_jobs in (None, -1, 2)]
    assert Parallel(n_jobs=2, backend="multiprocessing")(calls) == [1, 3, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_sees_its_own_variables(monkeypatch):
    usable_cores()  # so that something could have been kept
    child = os.fork()
    if not child:
        os.environ["FASTLSTM_NUM_THREADS"] = "11"
        os._exit(0 if usable_cores() == 11 else 1)
    assert os.waitpid(child, 0)[1] == 0
