"""Stage 4, on predictions: search by the fitted predictor and exact tables, then verify the front on the supernet.

In: a checkpoint, a latency table, a fitted predictor and the job's search section. Out: the verified front.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from hardware.tables.table_file import load_table
from nas.jobs.console.search_progress import noted, say_outlook
from nas.jobs.stages.expected_accuracy import expect_accuracy
from nas.jobs.stages.fit import FittedAccuracy, measure_accuracy, measured_to_fit
from nas.jobs.stages.front import VerifiedFront, feasible_front, other_costs, thinned_front, valued
from nas.jobs.stages.priced_objectives import exact_objective, job_objectives
from nas.jobs.stages.warm_start import Known
from nas.jobs.workspace import Workspace
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import SearchPlan


def predicted_search(workspace: Workspace, checkpoint: Path, table: Path, fitted: FittedAccuracy) -> VerifiedFront:
    """Runs the search of the job and verifies its front; a killed one goes on.

    Raises:
        NothingFeasible: If no candidate keeps the limits, by its predicted or by its expected accuracy.
    """
    job = workspace.job
    latencies = load_table(table)
    objectives = job_objectives(workspace, latencies, fitted)
    quality = latencies.calibration.quality
    error_percent = None if quality is None else round(quality.error_percent, 2)
    inputs = {
        "supernet": checkpoint,
        "latency_table": table,
        "latency_error_percent": error_percent,
        "fit": job.fit.model_dump(),
        "processor": workspace.processor,
        "search": job.search.model_dump(exclude={"verify"}) | {"options": asdict(job.search.method)},
    }
    record = workspace.record("search", inputs, latencies.location)
    plan = SearchPlan(
        SearchProblem(workspace.space, tuple(objectives)),
        job.search.method,
        record,
        job.search.evaluations,
        source="predicted",
        stop_gain=job.search.stop.gain if job.search.stop else None,
    )
    with workspace.reporter.bar("search", job.search.evaluations) as bar:
        result = run_search(plan, workspace.database, noted(bar))
    say_outlook(workspace.reporter, result.outlook, job.search.evaluations)
    candidates = result.population.take(thinned_front(objectives, result.values, job.search.verify))
    latency = exact_objective(workspace.space, latencies, "latency_ms")
    size = exact_objective(workspace.space, latencies, "weight_bytes")
    verified = {
        "supernet": checkpoint,
        "search": record.run,
        "verify": job.search.verify,
        "processor": workspace.processor,
        "latency_error_percent": error_percent,
    }
    verify = workspace.record("verify", verified, record.device)
    others = [one for one in objectives if one.metric.name not in ("accuracy", latency.metric.name, size.metric.name)]
    stored = [latency, size, *others]
    accuracy = measure_accuracy(workspace, checkpoint, verify, candidates, "verify the front", stored)
    everything = measured_to_fit(workspace, checkpoint).joined(Known(candidates, accuracy))
    expected = expect_accuracy(everything, len(workspace.data.validation), job.seed)
    expected = expected.take(slice(-len(candidates), None))
    best = np.zeros(len(candidates), dtype=np.bool_)
    best[feasible_front(objectives, valued(objectives, candidates, expected.mean))] = True
    front = VerifiedFront(
        device=record.device,
        latency_error_percent=error_percent,
        search_run=record.run,
        run=verify.run,
        population=candidates,
        predicted_accuracy=fitted(candidates),
        measured_accuracy=accuracy,
        expected_accuracy=expected.mean,
        accuracy_std=expected.std,
        latency_ms=latency.evaluate(candidates),
        weight_bytes=size.evaluate(candidates),
        others=other_costs(objectives, candidates),
        best=best,
    )
    workspace.reporter.say(f"search   {front.best.sum()} of {len(candidates)} verified candidates are on the front")
    return front
