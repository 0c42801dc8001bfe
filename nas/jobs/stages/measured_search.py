"""Stage 4, on measurements: a search that measures the accuracy of every candidate it asks for, on the supernet.

In: a checkpoint, a latency table and the job's search section. Out: the front of what was measured.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from hardware.tables.table_file import load_table
from nas.jobs.console.search_progress import noted, say_outlook
from nas.jobs.stages.expected_accuracy import expect_accuracy
from nas.jobs.stages.front import VerifiedFront, other_costs, thinned_front, valued
from nas.jobs.stages.priced_objectives import exact_objective, job_objectives
from nas.jobs.stages.warm_start import Known, known_accuracies, sources_of
from nas.jobs.workspace import Workspace
from nas.objectives import MeasuredEvaluator
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import Dispatch, SearchPlan, SearchResult
from nas.training.checkpoint import read_leaves


def measured_search(workspace: Workspace, checkpoint: Path, table: Path) -> VerifiedFront:
    """Runs the search of the job, on what is measured already of its supernet; a killed one goes on.

    Raises:
        NothingFeasible: If no candidate keeps the limits, by its measured or by its expected accuracy.
    """
    section, latencies = workspace.job.search, load_table(table)
    quality = latencies.calibration.quality
    error_percent = None if quality is None else round(quality.error_percent, 2)
    inputs = {
        "supernet": checkpoint,
        "latency_table": table,
        "latency_error_percent": error_percent,
        "search": section.model_dump(exclude={"verify"}) | {"options": asdict(section.method)},
        "processor": workspace.processor,
    }
    record = workspace.record("search", inputs, latencies.location)
    sources = sources_of(workspace.database, record) if section.warm_start else {}
    record = replace(record, sources=sources)
    known = known_accuracies(workspace.database, workspace.space, sources)
    if len(known.accuracy):
        workspace.reporter.say(f"search   {len(known.accuracy)} candidates of this supernet were measured before")
    method = section.method
    leaves = tuple(read_leaves(checkpoint, workspace.space.architectures)) if method.needs_leaves else ()
    with (
        workspace.pool() as pool,
        workspace.reporter.bar("search", section.evaluations) as bar,
    ):
        accuracy = MeasuredEvaluator(pool.measuring(workspace.measurement(checkpoint)), "accuracy")
        objectives = job_objectives(workspace, latencies, accuracy)
        plan = SearchPlan(
            SearchProblem(workspace.space, tuple(objectives), leaves),
            method,
            record,
            section.evaluations,
            source="verified",
            known=SearchResult(known.population, valued(objectives, known.population, known.accuracy)),
            stop_gain=section.stop.gain if section.stop else None,
            dispatch=Dispatch(in_flight=section.in_flight),
        )
        result = run_search(plan, workspace.database, noted(bar))
    say_outlook(workspace.reporter, result.outlook, section.evaluations)
    column = section.asked.index("accuracy")
    everything = known.joined(Known(result.population, result.values[:, column]))
    expected = expect_accuracy(everything, len(workspace.data.validation), workspace.job.seed)
    values = valued(objectives, everything.population, expected.mean)
    rows = thinned_front(objectives, values, section.verify)
    population = everything.population.take(rows)
    found = VerifiedFront(
        device=record.device,
        latency_error_percent=error_percent,
        search_run=record.run,
        run=record.run,
        population=population,
        predicted_accuracy=None,
        measured_accuracy=everything.accuracy[rows],
        expected_accuracy=expected.mean[rows],
        accuracy_std=expected.std[rows],
        latency_ms=exact_objective(workspace.space, latencies, "latency_ms").evaluate(population),
        weight_bytes=exact_objective(workspace.space, latencies, "weight_bytes").evaluate(population),
        others=other_costs(objectives, population),
        best=np.ones(len(rows), dtype=np.bool_),
        searched_accuracy=expected.mean[len(known.accuracy) :],
    )
    workspace.reporter.say(f"search   {len(rows)} candidates are on the front")
    return found
