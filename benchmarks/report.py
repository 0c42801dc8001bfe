"""Rows of the table in `README.md`.

In: the samples that a benchmark measured. Out: one Markdown row. Knows no benchmark.
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path


def row(target: str, samples: Sequence[float], form: str, seeds: str, command: str, threads: int | None = None) -> str:
    """One Markdown row: target, median, spread (least to largest), seeds, command, machine, date.

    Args:
        target: What was measured and its bound.
        samples: One figure per repetition, seed or subnet.
        form: Format of a figure with its unit, such as `"{:.2f} s"`.
        seeds: The seeds behind the samples, or how else they were repeated.
        command: Makes the row again.
        threads: Threads of torch; None where torch takes no part.
    """
    spread = f"{form.format(min(samples))} to {form.format(max(samples))}"
    cells = [target, form.format(statistics.median(samples)), spread, seeds, f"`{command}`", _machine(threads)]
    return f"| {' | '.join(cells)} | {date.today().isoformat()} |"


def _machine(threads: int | None) -> str:
    used = "no torch" if threads is None else f"{threads} torch thread{'s' if threads > 1 else ''}"
    return f"{_cpu_model()}, {os.cpu_count()} cores, {used}"


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
