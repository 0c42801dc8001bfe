"""A latency table whose calibration knows the networks that were exported by it, in which its errors matter most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hardware.building.build_table import check_unchanged
from hardware.profiling.profiler import Profiler
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from hardware.tables.pricing import tabulate_prices
from hardware.tables.table_file import load_table, save_table
from nas.jobs.console.reporter import Reporter
from nas.jobs.console.table_summary import describe_fit
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.exact_costs import StoredTable
from nas.jobs.stages.profile import calibrate_on_networks
from nas.jobs.stages.table_request import TableRequest
from results.database.results_database import ResultsDatabase
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population


def list_exported(
    database: ResultsDatabase, job: str, space: JointSpace, location: str
) -> tuple[Population, list[float]]:
    """The networks of a space that a job has exported and timed, and the latest latencies of their files in ms.

    Args:
        database: The database of the job.
        job: Its name.
        space: The space; networks of other policies, which were exported by key, are left out.
        location: The device and the machine on which they were timed.

    Raises:
        ValueError: If there are none.
    """
    rows, runs = database.frame(), database.runs()  # runs are in the order in which they began
    ages = dict(zip(runs["run"][runs["job"] == job], range(len(runs)), strict=False))
    exported = rows["source"].isin(["exported", "finetuned"]) & (rows["device"] == location)
    rows = rows.assign(age=rows["run"].map(ages))[exported & rows["run"].isin(list(ages))]
    timed = rows[rows[LATENCY].notna()] if LATENCY in rows else rows[:0]
    found = timed.sort_values(["age", "sequence"]).drop_duplicates("key", keep="last").sort_values("key")
    candidates, latency_ms = [], []
    for key, measured_ms in zip(found["key"], found[LATENCY] if len(found) else (), strict=True):
        candidate = database.candidate(str(key))
        try:
            space.encode([candidate])
        except ValueError:
            continue
        candidates.append(candidate)
        latency_ms.append(float(measured_ms))
    if not candidates:
        raise ValueError(
            f"job {job!r} has exported no network of its space that was timed here, and a table is refined by such; "
            "make some with: nas export JOB"
        )
    return space.encode(candidates), latency_ms


def refine_table(
    request: TableRequest,
    before: StoredTable,
    exported: Population,
    latency_ms: Sequence[float],
    profiler: Profiler,
    reporter: Reporter,
) -> StoredTable:
    """Calibrates the table of a job anew, on networks that were exported besides random ones; it is another table.

    All are timed now. The table of the job stays as it is, with the searches that went by it.

    Args:
        request: The table that the job asks for.
        before: That table, which is finished.
        exported: Networks that were exported.
        latency_ms: The latencies of their files, by which it is said what the calibration changes.
        profiler: Measures on this machine.
        reporter: Where progress is shown.

    Raises:
        ValueError: If the table is of another machine, cannot be calibrated, or was refined before and damaged.
        OSError: If the machine is busy, or changes meanwhile.
    """
    machine = profiler.fingerprint()
    if before.table.fingerprint != machine:
        raise ValueError(f"{before.path} is of another machine than this one, which cannot refine it; measure this one")
    keys = [candidate.key for candidate in exported.candidates]
    path = request.path(machine, keys)
    stage = StageFolder(path.parent)
    if stage.holds(path.name):
        table = load_table(path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        table = calibrate_on_networks(request, before.table, profiler, reporter, exported)
        check_unchanged(machine, profiler)
        save_table(table, path)
        stage.record(path.name)
    errors = [_find_error(one, exported, latency_ms) for one in (before.table, table)]
    reporter.say(
        f"profile  {len(keys)} exported networks were {errors[0]:.1f} % off on average, and are {errors[1]:.1f} % off "
        f"by what is fitted to them, too; whole networks {describe_fit(table.calibration)}"
    )
    reporter.say(f"profile  state it as device.table, to search by it: {path}")
    return StoredTable(path, table)


def _find_error(table: LatencyTable, exported: Population, latency_ms: Sequence[float]) -> float:
    """How far the latencies of files are from those of a table on average, in percent."""
    priced = tabulate_prices(exported.space, table)(exported.genes)
    return 100 * float(np.mean(np.abs(priced / np.array(latency_ms) - 1)))
