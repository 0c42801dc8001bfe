"""Stage 4, on measurements: a search that measures the accuracy of every candidate it asks for, on the supernet.

In: a checkpoint, a latency table and the job's search section. Out: the front of what was measured.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from hardware.latency_table import LatencyTable
from hardware.table_file import load_table
from nas.evaluation.pool import Pool
from nas.jobs.front import VerifiedFront, evenly, feasible_front
from nas.jobs.priced_objectives import exact_objective, job_objectives
from nas.jobs.reporter import Reporter
from nas.jobs.warm_start import Known, known_accuracies, sources_of
from nas.jobs.workspace import Workspace
from nas.objectives import FloatArray, Objective
from nas.search.loop import run_search
from nas.search.registry import SEARCHERS, searcher
from nas.search.screening import Screening
from nas.search.searcher import Searcher
from nas.training.checkpoint import read_leaves
from results.evaluation import RunRecord
from search_spaces.joint_space import Population


def measured_search(workspace: Workspace, checkpoint: Path, table: Path) -> VerifiedFront:
    """Runs the search of the job, on what is measured already of its supernet; a killed one goes on.

    Raises:
        NothingFeasible: If no candidate keeps the limits.
    """
    section, latencies = workspace.job.search, load_table(table)
    quality = latencies.calibration.quality
    error_percent = None if quality is None else round(quality.error_percent, 2)
    inputs = {
        "supernet": checkpoint,
        "latency_table": table,
        "latency_error_percent": error_percent,
        "search": section.model_dump(exclude={"verify"}),
        "processor": workspace.processor,
    }
    record = workspace.record("search", inputs, latencies.place)
    sources = sources_of(workspace.database, record) if section.warm_start else {}
    record = replace(record, job=json.dumps(json.loads(record.job) | {"warm_start": sources}))
    known = known_accuracies(workspace.database, workspace.space, sources)
    if len(known.accuracy):
        workspace.reporter.say(f"search   {len(known.accuracy)} candidates of this supernet were measured before")
    split = SEARCHERS[section.searcher].of_leaves
    leaves = read_leaves(checkpoint, workspace.space.architectures) if split else ()
    with (
        workspace.pool() as pool,
        workspace.reporter.bar("search", section.evaluations) as bar,
    ):
        objectives = job_objectives(workspace, latencies, pool.measuring(workspace.measurement(checkpoint)))
        made = searcher(section.searcher, workspace.space, objectives, workspace.job.seed, leaves)
        run_search(
            made,
            objectives,
            workspace.database,
            section.evaluations,
            record=record,
            source="verified",
            known=(known.population, _values(objectives, known)),
            in_flight=section.in_flight,
            screening=_screening(workspace, checkpoint, latencies, pool, record),
            stop_gain=section.stop.gain if section.stop else None,
            progress=lambda more: bar.advance(more, str(made.outlook or "")),
        )
    say_outlook(workspace.reporter, made, section.evaluations)
    front = _front(workspace, record.run, objectives, known)
    found = VerifiedFront(
        device=record.device,
        latency_error_percent=error_percent,
        search_run=record.run,
        run=record.run,
        population=front.population,
        predicted_accuracy=None,
        measured_accuracy=front.accuracy,
        latency_ms=exact_objective(workspace.space, latencies, "latency_ms").evaluate(front.population),
        weight_bytes=exact_objective(workspace.space, latencies, "weight_bytes").evaluate(front.population),
        best=np.ones(len(front.accuracy), dtype=np.bool_),
    )
    workspace.reporter.say(f"search   {len(front.accuracy)} candidates are on the front")
    return found


def say_outlook(reporter: Reporter, made: Searcher, evaluations: int) -> None:
    """Says what going on would bring, of a searcher that foresees it, and how to go on."""
    outlook = made.foresee()
    if outlook is not None:
        reporter.say(f"search   {outlook}; search.evaluations is {evaluations}")


def _screening(
    workspace: Workspace, checkpoint: Path, latencies: LatencyTable, pool: Pool, record: RunRecord
) -> Screening | None:
    """The cheap look of the job, if it wants one; its outcomes are a run of their own."""
    section = workspace.job.search.screening
    if section is None:
        return None
    accuracy = pool.measuring(workspace.measurement(checkpoint, section.fidelity))
    objectives = tuple(job_objectives(workspace, latencies, accuracy))
    return Screening(objectives, section.ratio, replace(record, run=f"{record.run}-screening"))


def _front(workspace: Workspace, run: str, objectives: list[Objective], known: Known) -> Known:
    """Up to `verify` candidates, evenly spread along the front of all that is measured."""
    evaluations = workspace.database.evaluations(run)
    accuracies = np.array([entry.values["accuracy"] for entry in evaluations])
    genes = workspace.space.encode([entry.candidate for entry in evaluations]).genes
    everything = Known(
        Population(workspace.space, np.concatenate([known.population.genes, genes])),
        np.concatenate([known.accuracy, accuracies]),
    )
    rows = evenly(feasible_front(objectives, _values(objectives, everything)), workspace.job.search.verify)
    return Known(everything.population.take(rows), everything.accuracy[rows])


def _values(objectives: list[Objective], known: Known) -> FloatArray:
    """Values of candidates whose accuracy is known, shape (n, m)."""
    columns = [o.evaluate(known.population) if o.exact else known.accuracy for o in objectives]
    return np.column_stack(columns)
