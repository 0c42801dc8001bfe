"""Stage 4: search on predictions and exact tables, then verify the front on the supernet.

In: a checkpoint, a latency table, a fitted predictor and the job's search section. Out: the verified front.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware.analytic import COSTS
from hardware.latency_table import LatencyTable
from hardware.pricing import network_costs
from hardware.table_file import load_table
from nas.jobs.fit import FittedAccuracy, measure_accuracy
from nas.jobs.job import TABLE_COSTS
from nas.jobs.workspace import Workspace
from nas.objectives import Evaluator, FloatArray, Objective, costs, violations
from nas.search.loop import NothingFeasible, how_near, run_search
from nas.search.registry import searcher
from results.metric import METRICS
from results.pareto import non_dominated
from search_spaces.joint_space import JointSpace, Population


@dataclass(frozen=True)
class VerifiedFront:
    """Candidates of the predicted front, and what is known of each; arrays of shape (n,).

    Attributes:
        device: Where the latencies hold.
        latency_error_percent: Mean error of table latencies on networks that were held out; None if unknown.
        search_run: Database run of the search.
        run: Database run of the verification.
        population: The candidates.
        predicted_accuracy: Percent, by the predictor.
        measured_accuracy: Percent of the validation images, on the supernet.
        latency_ms: Calibrated table latency.
        weight_bytes: Size of the compressed weights.
        best: Whether a candidate stays on the front, within all limits, with its measured accuracy.
    """

    device: str
    latency_error_percent: float | None
    search_run: str
    run: str
    population: Population
    predicted_accuracy: FloatArray
    measured_accuracy: FloatArray
    latency_ms: FloatArray
    weight_bytes: FloatArray
    best: NDArray[np.bool_]


def search(workspace: Workspace, checkpoint: Path, table: Path, fitted: FittedAccuracy) -> VerifiedFront:
    """Runs the search of the job and verifies its front; a killed one goes on.

    Raises:
        NothingFeasible: If no candidate keeps the limits.
    """
    job = workspace.job
    latencies = load_table(table)
    objectives = _objectives(workspace, latencies, fitted)
    quality = latencies.calibration.quality
    error_percent = None if quality is None else round(quality.error_percent, 2)
    inputs = {
        "supernet": checkpoint,
        "latency_table": table,
        "latency_error_percent": error_percent,
        "fit": job.fit.model_dump(),
        "search": job.search.model_dump(exclude={"verify"}),
    }
    record = workspace.record("search", inputs, latencies.place)
    with workspace.reporter.bar("search", job.search.evaluations) as bar:
        run_search(
            searcher(job.search.searcher, workspace.space, objectives, job.seed),
            objectives,
            workspace.database,
            job.search.evaluations,
            record=record,
            source="predicted",
            progress=bar.advance,
        )
    candidates = _predicted_front(workspace, record.run, objectives)
    latency = Objective(METRICS["latency_ms"], _priced(workspace.space, latencies, "latency_ms"))
    size = Objective(METRICS["weight_bytes"], _analytic(workspace.space, "weight_bytes"))
    verified = {"search": record.run, "verify": job.search.verify, "latency_error_percent": error_percent}
    verify = workspace.record("verify", verified, record.device)
    others = [one for one in objectives if one.metric.name not in ("accuracy", latency.metric.name, size.metric.name)]
    stored = [latency, size, *others]
    accuracy = measure_accuracy(workspace, checkpoint, verify, candidates, "verify the front", stored)
    front = VerifiedFront(
        device=record.device,
        latency_error_percent=error_percent,
        search_run=record.run,
        run=verify.run,
        population=candidates,
        predicted_accuracy=fitted(candidates),
        measured_accuracy=accuracy,
        latency_ms=latency.evaluate(candidates),
        weight_bytes=size.evaluate(candidates),
        best=_still_best(objectives, candidates, accuracy),
    )
    workspace.reporter.say(f"search   {front.best.sum()} of {len(candidates)} verified candidates are on the front")
    return front


def _objectives(workspace: Workspace, latencies: LatencyTable, fitted: FittedAccuracy) -> list[Objective]:
    """The objectives of the job: predicted accuracy, costs by the table, exact analytic costs."""

    def evaluator(name: str) -> Evaluator:
        if name == "accuracy":
            return fitted
        return _priced(workspace.space, latencies, name) if name in TABLE_COSTS else _analytic(workspace.space, name)

    section = workspace.job.search
    return [Objective(METRICS[name], evaluator(name), section.limits.get(name)) for name in section.objectives]


def _priced(space: JointSpace, table: LatencyTable, name: str) -> Evaluator:
    """Latency in milliseconds or energy in millijoules of a network, by a table."""
    costs = network_costs(space, table, name)
    return lambda population: costs(population.genes)


def _analytic(space: JointSpace, name: str) -> Evaluator:
    additive = space.tabulate(COSTS[name])
    return lambda population: additive(population.genes)


def _predicted_front(workspace: Workspace, run: str, objectives: list[Objective]) -> Population:
    """Up to `verify` candidates, evenly spread along the front of what the search found."""
    evaluations = workspace.database.evaluations(run)
    values = np.array([[entry.values[o.metric.name] for o in objectives] for entry in evaluations])
    feasible = np.flatnonzero(violations(objectives, values) == 0)
    front = feasible[non_dominated(costs(objectives, values[feasible]))]
    ordered = front[np.lexsort(costs(objectives, values[front]).T[::-1])]
    count = min(workspace.job.search.verify, len(ordered))
    chosen = ordered[np.unique(np.linspace(0, len(ordered) - 1, count).round().astype(int))]
    return workspace.space.encode([evaluations[row].candidate for row in chosen])


def _still_best(objectives: list[Objective], candidates: Population, accuracy: FloatArray) -> NDArray[np.bool_]:
    columns = [accuracy if o.metric.name == "accuracy" else o.evaluate(candidates) for o in objectives]
    values = np.column_stack(columns)
    feasible = violations(objectives, values) == 0
    if not feasible.any():
        raise NothingFeasible(f"once its accuracy is measured, {how_near(objectives, values)}")
    best = np.zeros(len(candidates), dtype=bool)
    best[feasible] = non_dominated(costs(objectives, values[feasible]))
    return best
