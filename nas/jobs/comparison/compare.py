"""Carries a contest of searchers out, in processes, and shows who found how much.

In: the file of a contest. Out: a table, curves with confidence bands, and one file per finished run of a searcher.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from nas.evaluation.worker_process import prepare_worker
from nas.files import atomic_write, folder_lock
from nas.jobs.comparison.job_comparison import LiveBench
from nas.jobs.comparison.table_comparison import TableBench
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.comparison_file import BenchFile, Place
from nas.jobs.files.section import read_section
from nas.jobs.files.yaml_file import read_yaml
from nas.search.comparison import interval95
from results.pages.curves_page import write_curves_page

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("searcher", "seed", "evaluations", "hypervolume")


def load_bench(path: Path) -> BenchFile:
    """Reads the file of a contest: on the supernet of a job, if it names one, else on a table.

    Raises:
        ValueError: In one line: what is wrong, where, and what would do.
    """
    document = read_yaml(path)
    live = isinstance(document, dict) and "job" in document
    return read_section(path, LiveBench if live else TableBench)


def bench(path: Path, runs: Path, workers: int, reporter: Reporter, data: str | None = None) -> pd.DataFrame:
    """Lets every searcher run with every seed; what is finished already is not run again.

    Args:
        path: The file of the contest.
        runs: Folder of all runs; the contest's is `bench-NAME-...` below it.
        workers: Processes.
        reporter: Where progress and the outcome are shown.
        data: Replaces `data.source` of the job, if given.

    Returns:
        One row per searcher, seed and budget: searcher, seed, evaluations, hypervolume.

    Raises:
        ValueError: If the file or its table is wrong, or the job's supernet is not trained.
    """
    import pandas as pd

    file, place = load_bench(path), Place(path.parent, runs, data)
    file.contest(place)  # what is wrong with the table or the job is said before anything runs
    folder = runs / f"bench-{file.name}-{_fingerprint(file, place)}"
    pairs = [(name, seed) for seed in range(file.seeds) for name in file.searchers]
    with folder_lock(folder), reporter.bar("searchers x seeds", len(pairs)) as bar:
        missing = [pair for pair in pairs if not _file_of(folder, *pair).exists()]
        bar.advance(len(pairs) - len(missing))
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), prepare_worker) as pool:
            waiting = [pool.submit(_carry_out, path, place, folder, *pair) for pair in missing]
            try:
                for done in as_completed(waiting):
                    done.result()
                    bar.advance(1)
            finally:
                pool.shutdown(cancel_futures=True)  # after a failure, what waits would be run for nothing
    found = pd.concat([pd.read_csv(_file_of(folder, *pair)) for pair in pairs], ignore_index=True)
    found.to_csv(folder / "hypervolumes.csv", index=False)
    write_curves_page(found, folder / "curves.html", f"{file.name}: {file.seeds} seeds")
    reporter.console.print(_table(found, file))
    reporter.say(f"bench    {folder / 'curves.html'}")
    return found


def _carry_out(path: Path, place: Place, folder: Path, name: str, seed: int) -> None:
    """One searcher with one seed, in a process of its own."""
    import pandas as pd

    file = load_bench(path)
    volumes = file.contest(place).curve(name, seed)
    rows = pd.DataFrame({"searcher": name, "seed": seed, "evaluations": file.budgets, "hypervolume": volumes})
    with atomic_write(_file_of(folder, name, seed)) as draft:
        rows.to_csv(draft, index=False)


def _file_of(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name}-{seed}.csv"


def _fingerprint(file: BenchFile, place: Place) -> str:
    """Stands for all that decides the outcome of one run of a searcher."""
    described = version("nas") + file.model_dump_json(exclude={"searchers", "seeds"})
    contents = [path.read_bytes() for path in file.inputs(place)]
    return hashlib.sha256(b"".join([described.encode(), *contents])).hexdigest()[:8]


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
