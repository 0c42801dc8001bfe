"""Compares searchers: runs each with every seed, in processes, and shows their hypervolumes."""

from __future__ import annotations

import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from nas.evaluation.worker_process import prepare_worker
from nas.files import atomic_write, folder_lock
from nas.jobs.comparison.job_comparison import compare_on_job
from nas.jobs.comparison.table_comparison import compare_on_table
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.comparison_file import ComparisonFile, TableComparisonFile, load_comparison
from nas.jobs.files.job import load_job
from nas.search.comparison import Comparison, estimate_interval95
from results.pages.curves_page import write_curves_page

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("searcher", "seed", "evaluations", "hypervolume")


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
    def content(self) -> ComparisonFile:
        """The content of the file."""
        return load_comparison(self.file)

    def prepare(self) -> tuple[Comparison, list[Path]]:
        """The comparison, and the files that its outcome depends on, besides the file of the comparison itself.

        Raises:
            ValueError: If the file, its table or its job is not valid, or the job is not trained or not profiled.
            OSError: If a file cannot be read.
        """
        content = load_comparison(self.file)
        if isinstance(content, TableComparisonFile):
            if self.data is not None:
                raise ValueError(f"--data is for comparisons on a job; this one is on the table {content.table}")
            table = self.file.parent / content.table
            return compare_on_table(content, table), [table]
        path = self.file.parent / content.job
        comparison, inputs = compare_on_job(content, load_job(path, self.data), self.runs)
        return comparison, [path, *inputs]

    def outcome_path(self, inputs: list[Path]) -> Path:
        """The folder of the outcome, named by a fingerprint of all that a search depends on besides searcher and seed.

        Args:
            inputs: The files whose content counts.
        """
        described = version("nas") + self.content.model_dump_json(exclude={"searchers", "seeds"})
        contents = [path.read_bytes() for path in inputs]
        fingerprint = hashlib.sha256(b"".join([described.encode(), *contents])).hexdigest()[:8]
        return self.runs / f"compare-{self.content.name}-{fingerprint}"


def compare(paths: ComparisonPaths, workers: int, reporter: Reporter) -> pd.DataFrame:
    """Runs every searcher with every seed; finished pairs of searcher and seed are not run again.

    Args:
        paths: The paths of the comparison.
        workers: Number of processes.
        reporter: Shows progress and the outcome.

    Returns:
        One row per searcher, seed and budget: searcher, seed, evaluations, hypervolume.

    Raises:
        ValueError: If the file, its table or its job is not valid, the job is not trained or not profiled, or another
            process runs the comparison.
    """
    import pandas as pd

    content = paths.content
    _, inputs = paths.prepare()  # what is wrong with the table or the job is said before anything runs
    folder = paths.outcome_path(inputs)
    pairs = [(name, seed) for seed in range(content.seeds) for name in content.searchers]
    with folder_lock(folder), reporter.bar("searchers x seeds", len(pairs)) as bar:
        missing = [pair for pair in pairs if not _path(folder, *pair).exists()]
        bar.advance(len(pairs) - len(missing))
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), prepare_worker) as pool:
            waiting = [pool.submit(_search, paths, *pair, folder) for pair in missing]
            try:
                for done in as_completed(waiting):
                    done.result()
                    bar.advance(1)
            finally:
                pool.shutdown(cancel_futures=True)  # after a failure, what waits would be run for nothing
    found = pd.concat([pd.read_csv(_path(folder, *pair)) for pair in pairs], ignore_index=True)
    found.to_csv(folder / "hypervolumes.csv", index=False)
    write_curves_page(found, folder / "curves.html", f"{content.name}: {content.seeds} seeds")
    reporter.console.print(_table(found, content))
    reporter.say(f"compare  {folder / 'curves.html'}")
    return found


def _search(paths: ComparisonPaths, name: str, seed: int, folder: Path) -> None:
    """Runs one searcher with one seed, in a worker process, and writes its hypervolumes as CSV."""
    import pandas as pd

    comparison, _ = paths.prepare()
    volumes = comparison.measure_curve(name, seed)
    rows = {"searcher": name, "seed": seed, "evaluations": comparison.budgets, "hypervolume": volumes}
    with atomic_write(_path(folder, name, seed)) as draft:
        pd.DataFrame(rows).to_csv(draft, index=False)


def _path(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name}-{seed}.csv"


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
        table.add_row(name, *cells)
    return table
