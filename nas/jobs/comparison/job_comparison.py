"""Comparisons on the trained supernet of a job: every searcher measures what it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.jobs.files.comparison_file import JobComparisonFile
from nas.jobs.stages.given_values import measure_given
from nas.objectives import AdditiveEvaluator, FloatArray, Objective
from nas.search.comparison import Comparison
from nas.search.protocol.problem import SearchProblem

if TYPE_CHECKING:
    from nas.jobs.workspace import Workspace


@contextmanager
def compare_on_job(file: JobComparisonFile, work: Workspace) -> Iterator[tuple[Comparison, dict[str, Any]]]:
    """Gives what is compared on a job's supernet, and what its outcome depends on, while a block runs.

    Args:
        file: The file of the comparison, with searchers and references.
        work: The workspace of the job, which is trained and profiled.

    Raises:
        ValueError: If the job is not trained or not profiled, or the file's references are not for the objectives of
            the job, or cannot be beaten, or a searcher does not support their number.
    """
    job = work.job
    search = job.search
    file.check(search.objectives)
    with work.execution.open_pool() as pool:
        subject, costs = work.subject, work.costs()
        given = measure_given(search, subject, work.execution)
        measuring = pool.measuring(subject.measurement)
        problem = SearchProblem(subject.space, costs.job_objectives(search, subject.evaluate_by(measuring), given))
        reference = tuple(file.reference[name] for name in search.objectives)
        inputs = {
            "subject": subject.digest,
            **costs.inputs,
            "space": job.space.described(),
            "search": search.describe(),
        } | ({"given": given} if given else {})
        comparison = Comparison(problem, reference, tuple(file.budgets))
        comparison.check_reference(_bound_values(problem.objectives))
        yield comparison, inputs


def _bound_values(objectives: Sequence[Objective]) -> FloatArray:
    """What no candidate is better than in any of m objectives, in natural units, shape (1, m)."""
    bounds = []
    for one in objectives:
        if isinstance(one.evaluate, AdditiveEvaluator):  # of each term its best, which may not go together
            terms = [term.table for term in one.evaluate.cost.terms]
            bounds.append(sum(float(table.max() if one.metric.maximize else table.min()) for table in terms))
        else:
            bounds.append(one.metric.bounds[one.metric.maximize])
    return np.array([bounds])
