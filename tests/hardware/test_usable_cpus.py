"""The usable CPUs are those of the affinity mask, and no more than the tightest quota lends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hardware.usable_cpus import bound_threads, count_usable_threads, describe_cpus, read_usable_cpus

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = "33 31 0:30 {shown} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
HYBRID = "41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw\n"


def machine(root: Path, groups: str, mounts: str, files: dict[str, str]) -> Path:
    """The files of the kernel, below a folder."""
    for name, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def v1(quota_us: int, folder: str = "") -> dict[str, str]:
    top = f"sys/fs/cgroup/cpu,cpuacct/{folder}"
    return {f"{top}cpu.cfs_quota_us": f"{quota_us}\n", f"{top}cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "cpus"),
    [
        ("0::/\n", V2, {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", V2, {"sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ("0::/\n", V2, {"sys/fs/cgroup/cpu.max": "6400000 100000\n"}, 8),  # a quota above the mask lends no more
        ("0::/\n", V2, {}, 8),  # the root of a machine has no such file
        ("0::/a/b\n", V2, {"sys/fs/cgroup/a/cpu.max": "50000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, 0.5),
        ("0::/a\n", V2, {"sys/fs/cgroup/cpu.max": "nonsense\n"}, 8),
        ("4:cpu,cpuacct:/\n0::/\n", V1.format(shown="/") + HYBRID, v1(250000), 2.5),
        ("4:cpu,cpuacct:/\n", V1.format(shown="/"), v1(-1), 8),
        ("4:cpu,cpuacct:/docker/1f\n", V1.format(shown="/docker/1f"), v1(300000), 3),  # its own top, in a container
        ("4:cpu,cpuacct:/x\n", V1.format(shown="/docker/1f"), v1(300000), 3),  # outside what is shown
        ("4:cpu,cpuacct:/job\n", V1.format(shown="/"), v1(200000, "job/"), 2),
        ("5:cpuset:/\n", V1.format(shown="/"), v1(100000), 8),  # only a group of the controller `cpu` has a quota
        ("0::/\n", HYBRID, {"sys/fs/cgroup/uni fied/cpu.max": "100000 50000"}, 2),
    ],
)
def test_the_tightest_quota_counts(
    groups: str, mounts: str, files: dict[str, str], cpus: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert read_usable_cpus(machine(tmp_path, groups, mounts, files)) == cpus


def test_the_mask_counts_where_there_are_no_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert read_usable_cpus(tmp_path) == 2
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert read_usable_cpus(tmp_path) == 12


def test_a_share_of_a_cpu_runs_one_thread_and_a_part_of_one_no_more() -> None:
    assert [count_usable_threads(cpus) for cpus in (0.25, 1, 1.5, 1.99, 2, 7.2)] == [1, 1, 1, 1, 2, 7]
    assert [describe_cpus(cpus) for cpus in (4.0, 1.5, 1 / 3)] == ["4", "1.5", "0.333333"]


@pytest.mark.parametrize(("stated", "threads"), [(None, "1"), ("3", "3")])
def test_libraries_start_no_more_threads_than_a_quota_feeds(
    stated: str | None, threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    bound_threads(tmp_path)
    assert "OMP_NUM_THREADS" not in os.environ  # no quota: the libraries count themselves
    if stated is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", stated)
    bound_threads(machine(tmp_path, "0::/\n", V2, {"sys/fs/cgroup/cpu.max": "150000 100000\n"}))
    assert os.environ.pop("OMP_NUM_THREADS") == threads
