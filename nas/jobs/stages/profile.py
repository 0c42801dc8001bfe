"""Measure the latency table of this machine, or of a node of a cluster, and calibrate it on whole networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hardware.building.build_table import check_unchanged, measure_missing
from hardware.building.calibrate_table import calibrate_table, count_calibration_steps
from hardware.device import DEVICES, USABLE_CPUS, get_device
from hardware.profiling.profiler import Profiler
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from hardware.tables.plausibility import check_plausible
from hardware.tables.table_file import load_table, save_table
from nas.evaluation.given_workloads import GivenWorkloads
from nas.evaluation.profilers import create_profiler
from nas.jobs.console.reporter import Reporter
from nas.jobs.console.table_summary import describe_fit
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.exact_costs import StoredTable
from nas.jobs.stages.sampling import representative_sample
from nas.jobs.stages.table_check import find_low_rank
from nas.jobs.stages.table_request import TableRequest
from search_spaces.population import Population

_NOISY = 0.1  # relative spread of timings above which a machine is called noisy
_UNFINISHED = "unfinished.parquet"
_CALIBRATION_SEED = 0  # not the seed of the job: jobs with other seeds share the table


def profile(request: TableRequest, profiler: Profiler, reporter: Reporter) -> StoredTable:
    """Measures what the table of a job lacks; a killed profiling goes on.

    Args:
        request: The table, which is not given.
        profiler: Measures on the machine in question.
        reporter: Where progress is shown.

    Raises:
        ValueError: If the job cannot use its table: it lacks what the search asks for, or tells latency badly and the
            search limits it; or if it was measured before and damaged.
        OSError: If the machine is busy, changes meanwhile or is lost.
    """
    if request.network is not None and not request.device.here().runs_onnx:
        raise ValueError(
            f"a given network is timed as an ONNX file, not on {request.device.name!r}; name another device"
        )
    machine = profiler.fingerprint()
    finished = request.path(machine)
    if (found := _read_finished(finished)) is not None:
        reporter.say(f"profile  done before: {finished}")
        return request.check(StoredTable(finished, found))
    if older := request.older(machine):
        reporter.say(f"profile  measured anew: {older}")
    finished.parent.mkdir(parents=True, exist_ok=True)
    unfinished = finished.with_name(_UNFINISHED)
    table = calibrate_on_networks(
        request, _measured_layers(request, profiler, reporter, unfinished), profiler, reporter
    )
    check_unchanged(machine, profiler)
    save_table(table, finished)
    StageFolder(finished.parent).record(finished.name)
    unfinished.unlink(missing_ok=True)
    spread = np.median([entry.spread for entry in table.entries.values()])
    if not spread <= _NOISY:
        reporter.say(
            f"profile  this machine is noisy: half of the layers spread by more than {100 * spread:.0f} %; free it of "
            f"other work and measure again, without {finished}"
        )
    said = (
        f"{len(table.entries)} entries, spread {100 * spread:.1f} %; whole networks {describe_fit(table.calibration)}"
    )
    reporter.say(f"profile  {said}: {finished}")
    _say_of_ranks(request, reporter)
    return request.check(StoredTable(finished, table))


def find_table(request: TableRequest, reporter: Reporter) -> StoredTable:
    """The finished table of a job, given or measured.

    Args:
        request: The table.
        reporter: Is told of a table that is given.

    Raises:
        ValueError: If there is none, or the job cannot use it; see `profile`.
    """
    _say_of_ranks(request, reporter)
    if request.given is not None:
        return _read_given(request, request.given, reporter)
    finished = request.path_here()
    if (table := _read_finished(finished)) is None:
        asked = " and ".join(request.search.table_costs)
        older = request.older(create_profiler(request.device.here()).fingerprint())
        raise ValueError(
            f"job {request.folder.name!r} searches by {asked}, so it needs a latency table; "
            f"make it with: nas profile JOB{f' ({older})' if older else ''}"
        )
    return request.check(StoredTable(finished, table))


def table_of_this_machine(request: TableRequest) -> LatencyTable | None:
    """The table of a job, if files run on its device here; an empty one, if it is not measured yet."""
    name = request.device.name
    if name not in DEVICES or not get_device(name).runs_onnx:
        return None
    if request.given is not None:
        table = load_table(request.given)
        return table if table.fingerprint == create_profiler(table.device).fingerprint() else None
    return _read_finished(request.path_here()) or LatencyTable(request.device.here())


def _read_finished(path: Path) -> LatencyTable | None:
    """The measured table of a job; None if there is none yet.

    Raises:
        ValueError: If it is damaged, or there although its stage did not end: a search on another table is another one.
    """
    stage = StageFolder(path.parent)
    if stage.holds(path.name):
        return load_table(path)
    if path.exists() and not path.with_name(_UNFINISHED).exists():  # which is removed last
        raise stage.refuse_unrecorded(path.name)
    return None


def _read_given(request: TableRequest, path: Path, reporter: Reporter) -> StoredTable:
    table = load_table(path)
    if table.device.name != request.device.name:
        raise ValueError(f"{path} is a table of {table.device.name!r}; this job needs {request.device.name!r}")
    check_plausible(table)
    reporter.say(f"profile  given, whole networks {describe_fit(table.calibration)}: {path}")
    if table.device.name in DEVICES and table.fingerprint:
        _say_of_other_cpus(table, create_profiler(table.device).fingerprint(), reporter)
    return request.check(StoredTable(path, table))


def _say_of_ranks(request: TableRequest, reporter: Reporter) -> None:
    """Says what the error of a table leaves out, where it predicts latencies of low rank and of corrections."""
    if LATENCY in request.search.table_costs and (policy := find_low_rank(request.space)):
        told = f"latency at {policy} is that of all layers in its place"
        reporter.say(f"profile  {told}; the error of tables is of networks without")


def _say_of_other_cpus(table: LatencyTable, machine: Mapping[str, str], reporter: Reporter) -> None:
    """Says so if a given table is of a machine like this one, but for the number of usable CPUs."""
    alike = {**table.fingerprint, USABLE_CPUS: machine[USABLE_CPUS]} == dict(machine)
    if alike and table.fingerprint != machine:
        was = table.fingerprint.get(USABLE_CPUS, "an unknown number of")
        reporter.say(
            f"profile  measured on this machine with {was} usable CPUs, and now there are {machine[USABLE_CPUS]}: "
            "networks that are exported are not timed; measure anew for that, without device.table"
        )


def _measured_layers(request: TableRequest, profiler: Profiler, reporter: Reporter, unfinished: Path) -> LatencyTable:
    try:
        table = load_table(unfinished) if unfinished.exists() else LatencyTable(request.device.here())
    except ValueError as error:
        raise ValueError(f"{error}; delete {unfinished} to measure its layers anew") from error
    layers, policies = request.space.list_distinct_layers(), request.space.policies.all_policies
    with reporter.bar("measure layers", len(table.missing(layers, policies))) as bar:
        return measure_missing(table, layers, policies, profiler, lambda done, _: bar.reach(done), unfinished)


def calibrate_on_networks(
    request: TableRequest,
    table: LatencyTable,
    profiler: Profiler,
    reporter: Reporter,
    exported: Population | None = None,
) -> LatencyTable:
    """A table that is fitted to random networks, with random weights: latency does not depend on them.

    Those of a given network are that network itself under random policies.

    Args:
        request: The table that a job asks for.
        table: A table with all layers.
        profiler: Measures on the machine of the table.
        reporter: Where progress is shown.
        exported: Further networks of the space; None if there are none.

    Raises:
        ValueError: If the table cannot be calibrated; see `calibrate_table`.
        OSError: If the machine is busy.
    """
    build = None if request.network is None else GivenWorkloads(request.network, request.space.architectures)
    rng = np.random.default_rng(_CALIBRATION_SEED)
    sample = representative_sample(request.space, rng, request.device.calibration_networks)
    sample = sample if exported is None else sample.join(exported).unique()
    with reporter.bar("calibrate on networks", count_calibration_steps(len(sample))) as bar:
        return calibrate_table(table, sample, rng, profiler, bar.reach, build)
