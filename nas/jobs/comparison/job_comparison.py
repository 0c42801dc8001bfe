"""Contests on the trained supernet of a job: every searcher measures what it asks for.

In: a job that is trained and profiled. Out: the contest. Knows no searcher.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.jobs.files.comparison_file import BenchFile, Place
from nas.jobs.files.job import load_job
from nas.objectives import MeasuredEvaluator
from nas.search.comparison import Comparison
from nas.search.protocol.problem import SearchProblem

if TYPE_CHECKING:
    from nas.jobs.workspace import Workspace


class LiveBench(BenchFile):
    """Searchers on a supernet, by the objectives and limits of its job's search; latencies are those of its table."""

    job: str

    def contest(self, place: Place) -> Comparison:
        """What is compared; the job is looked for beside the file.

        Raises:
            ValueError: If the job is wrong, not trained or not profiled, or the file does not fit its objectives.
        """
        from hardware.tables.table_file import load_table
        from nas.evaluation.pools import open_pool
        from nas.jobs.stages.priced_objectives import job_objectives
        from nas.jobs.stages.profile import latency_table
        from nas.jobs.stages.train import trained_checkpoint

        workspace = self._workspace(place)
        self.check(workspace.job.search.objectives)
        checkpoint, table = trained_checkpoint(workspace), latency_table(workspace)
        measured = MeasuredEvaluator(open_pool(1, None).measuring(workspace.measurement(checkpoint)), "accuracy")
        objectives = job_objectives(workspace, load_table(table), measured)
        reference = tuple(self.reference[name] for name in workspace.job.search.objectives)
        problem = SearchProblem(workspace.space, tuple(objectives))
        return Comparison(problem, reference, tuple(self.budgets))

    def inputs(self, place: Place) -> list[Path]:
        """The job, its checkpoint and its latency table."""
        from nas.jobs.stages.profile import latency_table
        from nas.jobs.stages.train import trained_checkpoint

        workspace = self._workspace(place)
        return [place.folder / self.job, trained_checkpoint(workspace), latency_table(workspace)]

    def _workspace(self, place: Place) -> Workspace:
        from rich.console import Console

        from nas.jobs.console.reporter import Reporter
        from nas.jobs.workspace import Workspace

        job = load_job(place.folder / self.job, place.data)
        return Workspace(job, place.runs, None, Reporter(Console(quiet=True)))
