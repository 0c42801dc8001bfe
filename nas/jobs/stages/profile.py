"""Stage 2: measure the latency table of this machine, and calibrate it on whole networks.

In: the job's space and device sections. Out: a latency table file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hardware.building.build_table import measure_missing
from hardware.building.calibrate_table import calibrate_table, count_calibration_steps
from hardware.device import DEVICES, get_device
from hardware.profiling.profiler import Profiler
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from hardware.tables.plausibility import check_plausible
from hardware.tables.pricing import tabulate_prices
from hardware.tables.table_file import SCHEMA_VERSION, load_table, save_table
from nas.evaluation.given_workloads import GivenWorkloads
from nas.evaluation.profilers import create_profiler
from nas.evaluation.remote_profiler import remote_profiler
from nas.jobs.console.table_summary import fit_error
from nas.jobs.files.search_section import TABLE_COSTS
from nas.jobs.stages.given_network import check_network
from nas.jobs.stages.sampling import representative_sample
from nas.jobs.workspace import Workspace

_NOISY = 0.1  # spread of the timings of a layer
_CALIBRATION_SEED = 0  # belongs to the table, not to a run


def profile(workspace: Workspace, resource: str | None = None) -> Path:
    """Measures what the table lacks, unless a table is given; a killed profiling goes on.

    Args:
        workspace: The job.
        resource: Of the node of the workspace's Ray cluster that is measured; None measures this machine.

    Returns:
        The finished table.

    Raises:
        ValueError: If no node offers the resource, the options contradict one another, or the job cannot use its table:
            it lacks what the search asks for, or tells latency badly and the search limits it.
        OSError: If the node is busy or is lost.
    """
    table = workspace.job.device.table
    if table is not None:
        if resource is not None:
            raise ValueError(f"--resource measures a node, but device.table of the job is {table}; leave one out")
        return _given_table(workspace, Path(table))
    target = workspace.job.device.here()
    if workspace.network is not None:
        check_network(workspace.network, workspace.space, workspace.data)
        if target.runtime != "onnxruntime":
            raise ValueError(f"a given network is timed in onnxruntime, not on {target.name!r}; name another device")
    if resource is None:
        return _measured(workspace, create_profiler(target))
    with remote_profiler(target, workspace.ray_address or "auto", resource) as remote:
        return _measured(workspace, remote)


def _measured(workspace: Workspace, runner: Profiler) -> Path:
    finished = _path(workspace, runner.fingerprint())
    if finished.exists():
        workspace.reporter.say(f"profile  done before: {finished}")
        return _serving(workspace, finished, load_table(finished))
    finished.parent.mkdir(parents=True, exist_ok=True)
    table = _measured_layers(workspace, runner, finished.with_name("unfinished.parquet"))
    table = _calibrated(workspace, table, runner)
    save_table(table, finished)
    finished.with_name("unfinished.parquet").unlink(missing_ok=True)
    spread = np.median([entry.spread for entry in table.entries.values()])
    if spread > _NOISY:
        workspace.reporter.say(
            f"profile  this machine is noisy: half of the layers spread by more than {100 * spread:.0f} %; free it of "
            f"other work and measure again, without {finished}"
        )
    workspace.reporter.say(
        f"profile  {len(table.entries)} entries, spread {100 * spread:.1f} %; whole networks "
        f"{fit_error(table.calibration)}: {finished}"
    )
    return _serving(workspace, finished, table)


def latency_table(workspace: Workspace) -> Path:
    """The finished table of the job.

    Raises:
        ValueError: If there is none, or the job cannot use it; see `profile`.
    """
    if workspace.job.device.table is not None:
        return _given_table(workspace, Path(workspace.job.device.table))
    finished = _path(workspace, create_profiler(workspace.job.device.here()).fingerprint())
    if not finished.exists():
        raise ValueError(f"job {workspace.job.name!r} needs a latency table; make it with: nas profile JOB")
    return _serving(workspace, finished, load_table(finished))


def table_of_this_machine(workspace: Workspace) -> LatencyTable | None:
    """The table of the job, if files run on its device here; an empty one, if it is not measured yet."""
    name, given = workspace.job.device.name, workspace.job.device.table
    if name not in DEVICES or get_device(name).runtime != "onnxruntime":
        return None
    if given is not None:
        table = load_table(Path(given))
        return table if table.fingerprint == create_profiler(table.device).fingerprint() else None
    target = workspace.job.device.here()
    finished = _path(workspace, create_profiler(target).fingerprint())
    return load_table(finished) if finished.exists() else LatencyTable(target)


def _path(workspace: Workspace, machine: Mapping[str, str]) -> Path:
    job, data = workspace.job, workspace.data
    inputs = {
        "space": job.space.described(),
        "device": job.device.model_dump(exclude={"accept_poor_fit"}),
        "channels": data.channels,
        "classes": data.classes,
        "machine": machine,
        "schema": SCHEMA_VERSION,
    }
    if workspace.network is not None:
        inputs["graph"] = hashlib.sha256(workspace.network.graph.to_json().encode()).hexdigest()
    return workspace.folder("profile", inputs) / "latency.parquet"


def _given_table(workspace: Workspace, path: Path) -> Path:
    table = load_table(path)
    if table.device.name != workspace.job.device.name:
        raise ValueError(f"{path} is a table of {table.device.name!r}; this job needs {workspace.job.device.name!r}")
    check_plausible(table)
    workspace.reporter.say(f"profile  given, whole networks {fit_error(table.calibration)}: {path}")
    return _serving(workspace, path, table)


def _serving(workspace: Workspace, path: Path, table: LatencyTable) -> Path:
    """The path of a table that has what the search of the job asks of it, and tells it well enough."""
    search = workspace.job.search
    for name in {LATENCY, *search.asked}.intersection(TABLE_COSTS):
        tabulate_prices(workspace.space, table, name)  # a missing entry is an error that names it
    quality = table.calibration.quality
    if quality is not None and LATENCY in search.limits and not workspace.job.device.accept_poor_fit:
        quality.require(f"{path}: the calibration", "measure again with less noise, or set device.accept_poor_fit")
    return path


def _measured_layers(workspace: Workspace, runner: Profiler, unfinished: Path) -> LatencyTable:
    table = load_table(unfinished) if unfinished.exists() else LatencyTable(workspace.job.device.here())
    layers, policies = workspace.space.layer_shapes(), workspace.space.policies.all_policies
    with workspace.reporter.bar("measure layers", len(table.missing(layers, policies))) as bar:
        return measure_missing(table, layers, policies, runner, lambda done, _: bar.reach(done), unfinished)


def _calibrated(workspace: Workspace, table: LatencyTable, runner: Profiler) -> LatencyTable:
    """Fitted to random networks, with random weights: latency does not depend on them.

    Those of a given network are that network itself under random policies.
    """
    space, wanted = workspace.space, workspace.job.device.calibration_networks
    build = None if workspace.network is None else GivenWorkloads(workspace.network)
    rng = np.random.default_rng(_CALIBRATION_SEED)
    sample = representative_sample(space, rng, wanted)
    with workspace.reporter.bar("calibrate on networks", count_calibration_steps(len(sample))) as bar:
        return calibrate_table(table, sample, rng, runner, bar.reach, build)
