"""The objectives of a job: an accuracy that is given, and costs that are exact.

In: a job's search section, its space and its latency table. Out: `Objective`s. Knows no searcher.
"""

from __future__ import annotations

from dataclasses import replace

from hardware.analytic import network_cost
from hardware.tables.latency_table import LatencyTable
from hardware.tables.pricing import tabulate_prices
from nas.jobs.files.search_section import TABLE_COSTS
from nas.jobs.workspace import Workspace
from nas.objectives import AdditiveEvaluator, Evaluator, Objective
from results.metric import METRICS
from search_spaces.joint_space import JointSpace


def job_objectives(workspace: Workspace, latencies: LatencyTable, accuracy: Evaluator) -> list[Objective]:
    """The objectives of the job: this accuracy, costs by the table, exact analytic costs; then its constraints."""
    section = workspace.job.search

    def objective(name: str) -> Objective:
        limit, constraint = section.limits.get(name), name not in section.objectives
        if name == "accuracy":
            return Objective(METRICS[name], accuracy, limit, constraint=constraint)
        return replace(exact_objective(workspace.space, latencies, name), limit=limit, constraint=constraint)

    return [objective(name) for name in section.asked]


def exact_objective(space: JointSpace, latencies: LatencyTable, name: str) -> Objective:
    """A cost that is looked up: latency in milliseconds or energy in millijoules by the table, or an analytic one."""
    cost = tabulate_prices(space, latencies, name) if name in TABLE_COSTS else network_cost(space, name)
    return Objective(METRICS[name], AdditiveEvaluator(cost), exact=True)
