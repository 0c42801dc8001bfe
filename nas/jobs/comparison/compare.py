"""Compares searchers: runs each with every seed, in processes, and shows their hypervolumes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from nas.evaluation.worker_process import WorkerProcesses
from nas.files import atomic_write
from nas.folder_lock import folder_lock
from nas.jobs.comparison.job_comparison import compare_on_job
from nas.jobs.comparison.table_comparison import compare_on_table
from nas.jobs.console.plain_text import plain
from nas.jobs.console.reporter import Reporter
from nas.jobs.execution import check_local_workers
from nas.jobs.files.comparison_file import (
    ComparisonFile,
    JobComparisonFile,
    TableComparisonFile,
    load_comparison,
)
from nas.jobs.files.job import load_job
from nas.jobs.job_runs import Inputs, stage_path
from nas.jobs.stage_folder import MANIFEST, StageFolder
from nas.search.comparison import Comparison, estimate_interval95
from nas.search.registry import create_searcher
from results.pages.curves_page import write_curves_page

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ComparisonPaths:
    """The paths of a comparison.

    Attributes:
        file: The file of the comparison; the paths in it are relative to its folder.
        runs: Folder of all runs.
        data: Replaces `data.source` of the comparison's job, if given.
    """

    file: Path
    runs: Path
    data: str | None = None

    @cached_property
    def content(self) -> TableComparisonFile | JobComparisonFile:
        """What the file says."""
        return load_comparison(self.file)

    @contextmanager
    def open(self) -> Iterator[tuple[Comparison, Path]]:
        """Gives what is compared, and the folder of its outcome, while a block runs.

        The folder is named by all that decides the outcome of one searcher with one seed.

        Raises:
            ValueError: If the file, its table or its job is not valid, or the job is not trained or not profiled.
            OSError: If a file cannot be read.
        """
        content, folder = self.content, self.file.parent
        described = content.model_dump(exclude={"searchers", "seeds"})
        if isinstance(content, TableComparisonFile):
            if self.data is not None:
                raise ValueError(f"--data is for comparisons on a job; this one is on the table {content.table}")
            comparison = compare_on_table(content, folder / content.table)
            yield comparison, self._outcome_path({"file": described, "table": folder / content.table})
            return
        from nas.jobs.workspace import Workspace  # loads torch, which a table does without

        job, quiet = load_job(folder / content.job, self.data), Reporter(Console(quiet=True))
        with Workspace(job, self.runs, quiet) as work, compare_on_job(content, work) as (comparison, inputs):
            yield comparison, self._outcome_path({"file": described, **inputs})

    def _outcome_path(self, inputs: Inputs) -> Path:
        return stage_path(self.runs, f"compare-{self.content.name}", inputs)


def compare(paths: ComparisonPaths, workers: int, reporter: Reporter) -> pd.DataFrame:
    """Runs every searcher with every seed; finished pairs of searcher and seed are not run again.

    Args:
        paths: The paths of the comparison.
        workers: Number of processes.
        reporter: Shows progress and the outcome.

    Returns:
        One row per searcher, seed and budget: searcher, seed, evaluations, hypervolume.

    Raises:
        ValueError: If there are more workers than usable CPUs, the file, its table or its job is not valid, the job is
            not trained or not profiled, another process runs the comparison, what it found before was
            damaged, or nothing that was found is better than the reference.
    """
    import pandas as pd

    check_local_workers(workers)
    content = paths.content
    with paths.open() as (comparison, folder):  # what is wrong is said before anything runs
        for name in content.searchers:
            create_searcher(name, comparison.problem, 0)  # its library may not be there
        if isinstance(content, TableComparisonFile):
            _say_of_budgets(content, comparison, reporter)
    pairs = [(name, seed) for seed in range(content.seeds) for name in content.searchers]
    with folder_lock(folder), reporter.bar("searchers x seeds", len(pairs)) as bar:
        stage = StageFolder(folder)
        finished = stage.check()
        missing = [pair for pair in pairs if _name(*pair) not in finished]
        if again := [name for pair in missing if (folder / (name := _name(*pair))).exists()]:
            reporter.say(f"compare  made again, as {MANIFEST} does not say that they were finished: {', '.join(again)}")
        bar.advance(len(pairs) - len(missing))
        with _told(), WorkerProcesses(max(1, min(workers, len(missing)))) as pool:
            running = {pool.submit(_search, paths, *pair, folder): pair for pair in missing}
            for done in as_completed(running):
                done.result()
                stage.record(_name(*running[done]))
                bar.advance(1)
    found = pd.concat([pd.read_csv(folder / _name(*pair)) for pair in pairs], ignore_index=True)
    found.to_csv(folder / "hypervolumes.csv", index=False)
    write_curves_page(found, folder / "curves.html", f"{content.name}: {content.seeds} seeds")
    reporter.console.print(_table(found, content))
    reporter.say(f"compare  {folder / 'curves.html'}")
    if not found["hypervolume"].gt(0).any():
        raise ValueError(
            f"all volumes are 0: nothing that was found keeps the limits and is better than the reference in every "
            f"objective, {content.reference}; name the worst value of interest of each"
        )
    return found


@contextmanager
def _told() -> Iterator[None]:
    """Says in one line that a worker died while a block ran.

    Raises:
        OSError: If one did.
    """
    try:
        yield
    except BrokenProcessPool as error:
        raise OSError("a worker process died (out of memory?); start the same command again to go on") from error


def _say_of_budgets(file: TableComparisonFile, comparison: Comparison, reporter: Reporter) -> None:
    """Says so if budgets are larger than the table, of which a searcher has seen all then."""
    networks = comparison.problem.space.architectures.count()
    beyond = [str(budget) for budget in file.budgets if budget > networks]
    if beyond:
        reporter.say(f"compare  {file.table} has {networks} networks; all are found within {', '.join(beyond)}")


def _search(paths: ComparisonPaths, name: str, seed: int, folder: Path) -> None:
    """Runs one searcher with one seed, in a worker process, and writes its hypervolumes as CSV."""
    import pandas as pd

    with paths.open() as (comparison, _):
        volumes = comparison.measure_curve(name, seed)
    rows = {"searcher": name, "seed": seed, "evaluations": comparison.budgets, "hypervolume": volumes}
    with atomic_write(folder / _name(name, seed)) as draft:
        pd.DataFrame(rows).to_csv(draft, index=False)


def _name(name: str, seed: int) -> str:
    return f"{name}-{seed}.csv"


def _table(found: pd.DataFrame, file: ComparisonFile) -> Table:
    table = Table(title=f"hypervolume, mean and 95 % interval of {file.seeds} seeds", box=None)
    table.add_column("searcher")
    for budget in file.budgets:
        table.add_column(f"{budget}", justify="right")
    for name in file.searchers:
        cells = []
        for budget in file.budgets:
            rows = found[(found["searcher"] == name) & (found["evaluations"] == budget)]
            mean, half = estimate_interval95(rows["hypervolume"].tolist())
            cells.append(f"{mean:.5g} ± {half:.2g}")
        table.add_row(plain(name), *cells)
    return table
