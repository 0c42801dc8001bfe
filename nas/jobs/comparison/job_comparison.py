"""Comparisons on the trained supernet of a job: every searcher measures what it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.jobs.files.comparison_file import JobComparisonFile
from nas.search.comparison import Comparison
from nas.search.protocol.problem import SearchProblem

if TYPE_CHECKING:
    from nas.jobs.files.job import Job


def compare_on_job(file: JobComparisonFile, job: Job, runs: Path) -> tuple[Comparison, list[Path]]:
    """The comparison on a job's supernet, and the files that its outcome depends on.

    Args:
        file: The file of the comparison, with searchers and references.
        job: The job, trained and profiled.
        runs: Folder of all runs.

    Raises:
        ValueError: If the job is not trained or not profiled, or the file's references are not for the objectives of
            the job, or a searcher does not support their number.
    """
    from rich.console import Console

    from nas.evaluation.pools import open_pool
    from nas.jobs.console.reporter import Reporter
    from nas.jobs.workspace import Workspace
    from nas.objectives import MeasuredEvaluator

    search = job.search
    file.check(search.objectives)
    work = Workspace(job, runs, Reporter(Console(quiet=True)))
    subject, costs = work.subject, work.costs()
    measuring = open_pool(1, None).measuring(subject.measurement)
    measured = {name: MeasuredEvaluator(measuring, name) for name in subject.metric_names}
    problem = SearchProblem(subject.space, costs.job_objectives(search, measured))
    reference = tuple(file.reference[name] for name in search.objectives)
    inputs = [subject.checkpoint, *([costs.stored.path] if costs.stored else [])]
    return Comparison(problem, reference, tuple(file.budgets)), inputs
