"""Wall time until `nas --help` has answered and until `import nas` is done, each in a fresh process.

In: nothing. Out: two rows of the table in `README.md`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from report import row

RUNS = 11
COMMANDS = {
    "`nas --help`": [str(Path(sys.executable).with_name("nas")), "--help"],
    "`import nas`": [sys.executable, "-c", "import nas"],
}


def wall_seconds(command: Sequence[str]) -> float:
    """Seconds from start to exit.

    Raises:
        subprocess.CalledProcessError: If the command fails.
    """
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measures the commands in turn, once unrecorded to warm the file cache, and prints a row for each."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(RUNS + 1):
        for name, command in COMMANDS.items():
            elapsed = wall_seconds(command)
            if run > 0:
                seconds[name].append(elapsed)
    for name, samples in seconds.items():
        print(row(f"{name}: under 1 s", samples, "{:.3f} s", f"{RUNS} runs", "python benchmarks/startup.py"))


if __name__ == "__main__":
    main()
