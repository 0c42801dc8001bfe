"""Compares searchers: lets each search with every seed, in processes, and shows who found how much."""

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
    """Where a comparison is read from and kept.

    Attributes:
        file: The file of the comparison; others are looked for beside it.
        runs: Folder of all runs.
        data: Replaces `data.source` of its job, if given.
    """

    file: Path
    runs: Path
    data: str | None = None

    @cached_property
    def content(self) -> ComparisonFile:
        """What the file says."""
        return load_comparison(self.file)

    def prepare(self) -> tuple[Comparison, list[Path]]:
        """What is compared, and the files that its outcome depends on, besides that of the comparison.

        Raises:
            ValueError: If the table or the job is wrong, or the job is not trained or not profiled.
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
        """The folder of the outcome, which stands for all that decides that of one searcher with one seed."""
        described = version("nas") + self.content.model_dump_json(exclude={"searchers", "seeds"})
        contents = [path.read_bytes() for path in inputs]
        fingerprint = hashlib.sha256(b"".join([described.encode(), *contents])).hexdigest()[:8]
        return self.runs / f"compare-{self.content.name}-{fingerprint}"


def compare(paths: ComparisonPaths, workers: int, reporter: Reporter) -> pd.DataFrame:
    """Lets every searcher search with every seed; what is finished already is not done again.

    Args:
        paths: The file of the comparison, and where its outcome is kept.
        workers: Processes.
        reporter: Where progress and the outcome are shown.

    Returns:
        One row per searcher, seed and budget: searcher, seed, evaluations, hypervolume.

    Raises:
        ValueError: If the file or its table is wrong, or the job's supernet is not trained.
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
    """One searcher with one seed, in a process of its own."""
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
