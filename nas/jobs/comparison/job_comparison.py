"""Comparisons on the trained supernet of a job: every searcher measures what it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.jobs.files.comparison_file import JobComparisonFile
from nas.search.comparison import Comparison
from nas.search.protocol.problem import SearchProblem

if TYPE_CHECKING:
    from nas.jobs.files.job import Job


@contextmanager
def compare_on_job(file: JobComparisonFile, job: Job, runs: Path) -> Iterator[tuple[Comparison, dict[str, Any]]]:
    """Gives what is compared on a job's supernet, and what its outcome depends on, while a block runs.

    Args:
        file: The file of the comparison, with searchers and references.
        job: The job, trained and profiled.
        runs: Folder of all runs.

    Raises:
        ValueError: If the job is not trained or not profiled, or the file's references are not for the objectives of
            the job, or a searcher does not support their number.
    """
    from rich.console import Console

    from nas.jobs.console.reporter import Reporter
    from nas.jobs.workspace import Workspace
    from nas.objectives import MeasuredEvaluator

    search = job.search
    file.check(search.objectives)
    with Workspace(job, runs, Reporter(Console(quiet=True))) as work, work.execution.open_pool() as pool:
        subject, costs = work.subject, work.costs()
        measuring = pool.measuring(subject.measurement)
        measured = {name: MeasuredEvaluator(measuring, name) for name in subject.metric_names}
        problem = SearchProblem(subject.space, costs.job_objectives(search, measured))
        reference = tuple(file.reference[name] for name in search.objectives)
        inputs = {
            "subject": subject.digest,
            **costs.inputs,
            "space": job.space.described(),
            "search": search.describe(),
        }
        yield Comparison(problem, reference, tuple(file.budgets)), inputs
