"""What a change costs: benchmarks on the code of two checkouts, in turns, as ratios of the figures that both print.

In: a checkout of before, and the names of benchmarks. Out: rows of the table in `README.md`; a sample is the ratio of
two runs that follow one another, so that a slow phase of the machine hits both alike. Beside other work, which makes
wall times of two runs hard to compare, `--processor-time` counts what the processor did for the benchmark instead.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from report import row

HERE = Path(__file__).resolve().parents[1]
_PROCESSOR_TIME = """\
import runpy, sys, time
time.perf_counter = time.process_time
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def figures(checkout: Path, benchmark: str, options: list[str], processor_time: bool) -> dict[str, float]:
    """Median figures of a benchmark by what was measured, on the code of a checkout."""
    script = checkout / "benchmarks" / f"{benchmark}.py"
    if not script.exists():  # made later, of what both codes have
        script = HERE / "benchmarks" / f"{benchmark}.py"
    path = [str(checkout), str(script.parent), os.environ.get("PYTHONPATH", "")]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
    begin = ["-c", _PROCESSOR_TIME] if processor_time else []
    command = [sys.executable, *begin, str(script), *options]
    printed = subprocess.run(command, env=variables, cwd=checkout, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in printed.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        number = re.match(r"[\d,]*\.?\d+", cells[1]) if len(cells) > 4 else None
        if number:
            found[without_target(cells[0])] = float(number[0].replace(",", ""))
    return found


def without_target(title: str) -> str:
    """What was measured, without the bound that stands behind a colon."""
    return re.sub(r": (at most|at least|under|above) .*", "", title)


def commit_of(checkout: Path) -> str:
    """The commit of a checkout, shortened."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short=7", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("before", type=Path, help="a checkout of the earlier code")
    parser.add_argument("benchmark")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--processor-time", action="store_true", help="instead of wall time")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="of the benchmark itself")
    arguments = parser.parse_args()
    before = arguments.before.resolve()
    ratios: dict[str, list[float]] = {}
    for turn in range(arguments.turns):
        order = (before, HERE) if turn % 2 == 0 else (HERE, before)
        given = (arguments.benchmark, arguments.options, arguments.processor_time)
        found = {checkout: figures(checkout, *given) for checkout in order}
        print(f"turn {turn + 1} of {arguments.turns}", file=sys.stderr)
        for what, earlier in found[before].items():
            if what in found[HERE] and earlier:
                ratios.setdefault(what, []).append(found[HERE][what] / earlier)
    clock = "--processor-time " if arguments.processor_time else ""
    command = f"python benchmarks/before_after.py {clock}BEFORE {arguments.benchmark}"
    for what, samples in ratios.items():
        title = f"After over {commit_of(before)}, `{arguments.benchmark}`: {what}"
        print(row(title, samples, "{:.3f}", f"{arguments.turns} turns", command), flush=True)


if __name__ == "__main__":
    main()
