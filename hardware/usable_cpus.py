"""How many CPUs this process may use: those that it may be scheduled on, and its quota of their time.

A machine may have more. Containers and batch systems lend out a part of it, by an affinity mask or by a quota of a
control group (cgroup, version 1 or 2), and threads beyond that part wait for one another. Independent of devices.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from math import floor, inf
from pathlib import Path, PurePosixPath

_GROUPS, _MOUNTS = "proc/self/cgroup", "proc/self/mountinfo"


def read_usable_cpus(root: Path = Path("/")) -> float:
    """The number of CPUs whose time this process may use, above 0; a fraction if a quota says so.

    It is read anew at each call, as a quota may change while a container runs.

    Args:
        root: The root of the file system that shows the kernel's files.
    """
    return min(_count_schedulable(), *_quotas(root), inf)


def count_usable_threads(cpus: float) -> int:
    """The number of threads that can compute at the same time on a number of CPUs: rounded down, but at least 1.

    With a quota of 1.5 CPUs, two threads would run at full speed for three quarters of a period only, and then stand
    still.
    """
    return max(1, floor(cpus))


def describe_cpus(cpus: float) -> str:
    """A number of CPUs as text, such as `4` or `1.5`."""
    return f"{cpus:.6g}"


def bound_threads(root: Path = Path("/")) -> None:
    """Lets numerical libraries that are loaded later start no more threads than a quota of CPU time feeds.

    They count the CPUs of the affinity mask, and know no quotas. `OMP_NUM_THREADS`, where it is set, is left as it is.

    Args:
        root: The root of the file system that shows the kernel's files.
    """
    threads = count_usable_threads(read_usable_cpus(root))
    if threads < _count_schedulable():
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def _count_schedulable() -> int:
    """The number of CPUs in the affinity mask; all of the machine where the system has no such mask."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """The quotas of CPU time of the control groups of this process and of all groups above them, in CPUs."""
    try:
        groups, mounts = (root / _GROUPS).read_text(), (root / _MOUNTS).read_text()
    except OSError:  # not Linux
        return
    for line in groups.splitlines():
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        version = 2 if not controllers else 1
        if version == 1 and "cpu" not in controllers.split(","):
            continue
        for top, folder in _folders(mounts, version, path, root):
            while True:
                yield from _quota(folder, version)
                if folder == top:
                    break
                folder = folder.parent


def _folders(mounts: str, version: int, path: str, root: Path) -> Iterator[tuple[Path, Path]]:
    """Where the control groups are mounted, and the folder of one of them there.

    Args:
        mounts: The kernel's list of mounts.
        version: Version of the control groups.
        path: Path of the group in their hierarchy.
        root: The root of the file system.
    """
    for line in mounts.splitlines():
        mount, _, kind = line.partition(" - ")
        kind, _, options = kind.partition(" ")
        wanted = kind == "cgroup2" if version == 2 else kind == "cgroup" and re.search(r"\bcpu\b", options)
        if not wanted:
            continue
        shown, point = (_unescape(word) for word in mount.split()[3:5])
        top = root / point.lstrip("/")
        # In a container, the mount may show a part of the hierarchy; a group outside that part is shown as its top.
        inside = PurePosixPath(path).is_relative_to(shown) and ".." not in path
        folder = top / PurePosixPath(path).relative_to(shown) if inside else top
        yield top, folder


def _quota(folder: Path, version: int) -> Iterator[float]:
    """The quota of one control group in CPUs; nothing if it has none."""
    names = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    try:
        words = [word for name in names for word in (folder / name).read_text().split()]
        quota_us, period_us = (float(word) for word in words)
    except (OSError, ValueError):  # no such file, or `max`: no quota
        return
    if quota_us > 0 and period_us > 0:
        yield quota_us / period_us


def _unescape(word: str) -> str:
    r"""A path of the list of mounts, in which a blank is written as `\040`."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), word)
