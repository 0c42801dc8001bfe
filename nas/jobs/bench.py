"""Carries a contest of searchers out, in processes, and shows who found how much.

In: the file of a contest. Out: a table, curves with confidence bands, and one file per finished run of a searcher.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from nas.files import alone_in, replacing
from nas.jobs.bench_file import BenchFile, load_bench
from nas.jobs.reporter import Reporter
from nas.search.contest import interval95
from results.curves import write_curves_page

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("searcher", "seed", "evaluations", "hypervolume")


def bench(path: Path, runs: Path, workers: int, reporter: Reporter) -> pd.DataFrame:
    """Lets every searcher run with every seed; what is finished already is not run again.

    Args:
        path: The file of the contest.
        runs: Folder of all runs; the contest's is `bench-NAME-...` below it.
        workers: Processes.
        reporter: Where progress and the outcome are shown.

    Returns:
        One row per searcher, seed and budget: searcher, seed, evaluations, hypervolume.

    Raises:
        ValueError: If the file or its table is wrong.
    """
    import pandas as pd

    file = load_bench(path)
    file.contest(path.parent)  # what is wrong with the table is said before anything runs
    folder = runs / f"bench-{file.name}-{_fingerprint(file, path.parent)}"
    pairs = [(name, seed) for seed in range(file.seeds) for name in file.searchers]
    with alone_in(folder), reporter.bar("searchers x seeds", len(pairs)) as bar:
        missing = [pair for pair in pairs if not _file_of(folder, *pair).exists()]
        bar.advance(len(pairs) - len(missing))
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _one_thread) as pool:
            waiting = [pool.submit(_carry_out, path, folder, *pair) for pair in missing]
            for done in as_completed(waiting):
                done.result()
                bar.advance(1)
    found = pd.concat([pd.read_csv(_file_of(folder, *pair)) for pair in pairs], ignore_index=True)
    found.to_csv(folder / "hypervolumes.csv", index=False)
    write_curves_page(found, folder / "curves.html", f"{file.name}: {file.seeds} seeds")
    reporter.console.print(_table(found, file))
    reporter.say(f"bench    {folder / 'curves.html'}")
    return found


def _carry_out(path: Path, folder: Path, name: str, seed: int) -> None:
    """One searcher with one seed, in a process of its own."""
    import pandas as pd

    file = load_bench(path)
    volumes = file.contest(path.parent).curve(name, seed)
    rows = pd.DataFrame({"searcher": name, "seed": seed, "evaluations": file.budgets, "hypervolume": volumes})
    with replacing(_file_of(folder, name, seed)) as draft:
        rows.to_csv(draft, index=False)


def _file_of(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name}-{seed}.csv"


def _fingerprint(file: BenchFile, folder: Path) -> str:
    """Stands for all that decides the outcome of one run of a searcher."""
    described = file.model_dump_json(exclude={"searchers", "seeds"}).encode()
    return hashlib.sha256(described + (folder / file.table).read_bytes()).hexdigest()[:8]


def _one_thread() -> None:
    """Two processes with several threads each collapse on few cores instead of sharing them."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def _table(found: pd.DataFrame, file: BenchFile) -> Table:
    table = Table(title=f"hypervolume, mean and 95 % interval of {file.seeds} seeds", box=None)
    table.add_column("searcher")
    for budget in file.budgets:
        table.add_column(f"{budget}", justify="right")
    for name in file.searchers:
        cells = []
        for budget in file.budgets:
            rows = found[(found["searcher"] == name) & (found["evaluations"] == budget)]
            mean, half = interval95(rows["hypervolume"].tolist())
            cells.append(f"{mean:.5g} ± {half:.2g}")
        table.add_row(name, *cells)
    return table
