"""Stage 2: measure the latency table of this machine, and calibrate it on whole networks.

In: the job's space and device sections. Out: a latency table file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hardware.build_table import measure_missing
from hardware.calibration import Calibration
from hardware.device import Device, device, fingerprint
from hardware.latency_table import LatencyTable
from hardware.pricing import network_costs
from hardware.profiler import Network, OnnxRuntimeProfiler
from hardware.table_file import SCHEMA_VERSION, load_table, save_table
from nas.compression.compress import apply_policy, calibrate
from nas.export.onnx_model import to_onnx
from nas.jobs.sampling import representative_sample
from nas.jobs.workspace import Workspace
from search_spaces.candidate import Candidate
from search_spaces.elastic.registry import supernet
from search_spaces.elastic.supernet import Supernet

_CALIBRATION_SEED = 0  # belongs to the table, not to a run
_ROUNDS = 5


def profile(workspace: Workspace) -> Path:
    """Measures what the table lacks, unless a table is given; a killed profiling goes on.

    Returns:
        The finished table.
    """
    if workspace.job.device.table is not None:
        return _given_table(workspace, Path(workspace.job.device.table))
    target, finished = device(workspace.job.device.name), _path(workspace)
    if finished.exists():
        workspace.reporter.say(f"profile  done before: {finished}")
        return finished
    finished.parent.mkdir(parents=True, exist_ok=True)
    table, profiler = _measured_layers(workspace, target, finished.with_name("unfinished.parquet"))
    calibration = _measured_networks(workspace, table, profiler)
    save_table(table.with_calibration(calibration), finished)
    finished.with_name("unfinished.parquet").unlink(missing_ok=True)
    workspace.reporter.say(f"profile  {len(table.entries)} entries, {_error(calibration)}: {finished}")
    return finished


def latency_table(workspace: Workspace) -> Path:
    """The finished table of the job.

    Raises:
        ValueError: If there is none, or the given one does not cover the job.
    """
    if workspace.job.device.table is not None:
        return _given_table(workspace, Path(workspace.job.device.table))
    finished = _path(workspace)
    if not finished.exists():
        raise ValueError(f"job {workspace.job.name!r} needs a latency table; make it with: nas profile JOB")
    return finished


def _path(workspace: Workspace) -> Path:
    job, data = workspace.job, workspace.data
    inputs = {
        "space": job.space.model_dump(),
        "device": job.device.model_dump(),
        "channels": data.channels,
        "classes": data.classes,
        "machine": fingerprint(),
        "schema": SCHEMA_VERSION,
    }
    return workspace.folder("profile", inputs) / "latency.parquet"


def _given_table(workspace: Workspace, path: Path) -> Path:
    table = load_table(path)
    if table.device.name != workspace.job.device.name:
        raise ValueError(f"{path} is a table of {table.device.name!r}; this job needs {workspace.job.device.name!r}")
    network_costs(workspace.space, table)  # a missing entry is an error that names it
    workspace.reporter.say(f"profile  given, {_error(table.calibration)}: {path}")
    return path


def _measured_layers(
    workspace: Workspace, target: Device, unfinished: Path
) -> tuple[LatencyTable, OnnxRuntimeProfiler]:
    table = load_table(unfinished) if unfinished.exists() else LatencyTable(target)
    profiler = OnnxRuntimeProfiler(target)
    layers, policies = workspace.space.layer_shapes(), workspace.space.policies.policies
    with workspace.reporter.bar("measure layers", len(table.missing(layers, policies))) as bar:
        return measure_missing(table, layers, policies, profiler, lambda done, _: bar.reach(done), unfinished), profiler


def _measured_networks(workspace: Workspace, table: LatencyTable, profiler: OnnxRuntimeProfiler) -> Calibration:
    """Fits slope and constant on random networks; their weights do not matter to latency."""
    space, wanted = workspace.space, workspace.job.device.calibration_networks
    sample = representative_sample(space, np.random.default_rng(_CALIBRATION_SEED), wanted)
    untrained, networks = supernet(space.architectures, _CALIBRATION_SEED).eval(), []
    with workspace.reporter.bar("calibrate on networks", len(sample) + 1) as bar:
        for row in range(len(sample)):
            networks.append(_untrained_network(untrained, sample[row], workspace.data.channels))
            bar.advance(1)
        measured = [timing.median_ms for timing in profiler.interleaved(networks, _ROUNDS)]
        bar.advance(1)
    return Calibration.fit(network_costs(space, table)(sample.genes), np.array(measured))


def _untrained_network(untrained: Supernet, candidate: Candidate, channels: int) -> Network:
    architecture = candidate.architecture
    shape = (channels, architecture.resolution, architecture.resolution)
    network = apply_policy(untrained.extract(architecture), untrained.space.layers(architecture), candidate.policy)
    calibrate(network, [torch.rand(8, *shape, generator=torch.Generator().manual_seed(_CALIBRATION_SEED))])
    return Network(to_onnx(network, shape), (1, *shape))


def _error(calibration: Calibration) -> str:
    if calibration.error_percent is None:
        return "not calibrated on whole networks"
    return f"whole networks within {calibration.error_percent:.1f} % (mean, held out)"
