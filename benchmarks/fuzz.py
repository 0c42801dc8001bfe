"""Inputs of every form, mutated: how many are refused in one clear line, and whether any ends otherwise.

Each form is tried in a process of its own, which is ended and replaced if it answers too late or breaks. Faults are
printed as they are found, with the seed that makes them again; then one row for each kind.

python benchmarks/fuzz.py [FORM ...] [--tries 1000] [--first 0]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fuzz"))

from fuzzer import SECONDS, Tried, fuzz  # the fuzzer of the tests

COLUMNS = {
    "refused": "one clear line",
    "accepted": "accepted",
    "nonsense": "accepted nonsense",
    "unclear": "unclear line",
    "traceback": "traceback",
    "hang": f"hang > {SECONDS:.0f} s",
    "memory": "> 2 GB",
}
_START_S = 300.0  # in which a process has loaded its libraries and made the valid input


def _work(name: str, seeds: range, results: Connection) -> None:
    from formats.registry import FORMATS

    with tempfile.TemporaryDirectory() as folder:
        for tried in fuzz(FORMATS[name], [None, *seeds], Path(folder) / "work"):
            results.send(tried)


def run(name: str, seeds: range) -> Iterator[Tried]:
    """Tries all seeds of a form, in as many processes as it takes."""
    context = multiprocessing.get_context("spawn")
    while seeds:
        results, sending = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(name, seeds, sending), daemon=True)
        worker.start()
        sending.close()
        if not results.poll(_START_S) or (whole := results.recv()).outcome != "accepted":
            raise RuntimeError(f"the valid input of {name} is not accepted")
        while seeds:
            try:
                tried = results.recv() if results.poll(3 * SECONDS) else Tried(seeds[0], "hang", "in no Python code")
            except EOFError:
                worker.join()
                tried = Tried(seeds[0], "traceback", f"the process ended with {worker.exitcode}")
            yield tried
            seeds = seeds[1:]
            if tried.outcome in ("hang", "memory") or not worker.is_alive():
                break
        worker.kill()
        worker.join()
        del whole


def main() -> None:
    from formats.registry import FORMATS

    parser = argparse.ArgumentParser()
    parser.add_argument("forms", nargs="*", default=list(FORMATS))
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    for name in options.forms:
        form = FORMATS[name]
        counted = counts.setdefault(form.kind, Counter())
        for tried in run(name, range(options.first, options.first + int(options.tries * form.weight))):
            counted[tried.outcome] += 1
            if tried.outcome not in ("refused", "accepted"):
                print(f"{name}, seed {tried.seed}: {tried.outcome}: {tried.line[:400]}", file=sys.stderr, flush=True)
    print(f"| kind | tried | {' | '.join(COLUMNS.values())} |")
    print(f"|---|---|{'---|' * len(COLUMNS)}")
    counts["all"] = sum(counts.values(), Counter())
    for kind, counted in counts.items():
        cells = [counted.total(), *(counted[outcome] for outcome in COLUMNS)]
        print(f"| {kind} | {' | '.join(f'{cell:,}' for cell in cells)} |")


if __name__ == "__main__":
    main()
