"""Networks as files: exported, checked against torch, measured in onnxruntime, and listed in a table.

In: candidates of a trained supernet. Out: ONNX files, what they were measured at, and evaluations in the database.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

from hardware.profiling.profiler import OnnxRuntimeProfiler
from hardware.profiling.reference_workload import time_normalized
from hardware.profiling.workload import OnnxNetwork
from hardware.tables.entry import LATENCY
from nas.evaluation.realize import CandidateRealizer
from nas.export.agreement import check_agreement
from nas.export.onnx_graph_network import traced_to_onnx
from nas.export.onnx_model import open_session, run_session, save_onnx, to_onnx
from nas.files import atomic_write
from nas.jobs.stages.profile import table_of_this_machine
from nas.jobs.workspace import Workspace
from results.evaluation import Evaluation, RunRecord, Source
from search_spaces.candidate import Candidate
from search_spaces.elastic.graph_network import GraphNetwork

_CHECKED_IMAGES = 256
_COLUMNS = {  # of a table, by metric
    "accuracy": "measured_accuracy",
    "expected_accuracy": "expected_accuracy",
    "test_accuracy": "test_accuracy",
    "latency_ms": "measured_latency_ms",
    "weight_bytes": "weight_bytes",
}


def networks_of(workspace: Workspace, stage: str, folder: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The table `networks.csv` of a folder, unless it is there with all its files made first.

    Args:
        workspace: Is told if it is there.
        stage: Its name.
        folder: Made, if it is not there.
        make: Writes the files to the folder and gives the table, whose column `file` names them.
    """
    table = folder / "networks.csv"
    if table.exists():
        networks = pd.read_csv(table, dtype={"role": str, "key": str, "file": str})
        if all((folder / name).exists() for name in networks["file"]):
            workspace.reporter.say(f"{stage:<8} done before: {folder}")
            return networks
    folder.mkdir(parents=True, exist_ok=True)
    networks = make()
    with atomic_write(table) as draft:
        networks.to_csv(draft, index=False)
    return networks


def export_network(realizer: CandidateRealizer, candidate: Candidate, file: Path) -> float:
    """Writes one network; returns its accuracy in percent on the test images in onnxruntime.

    Raises:
        ExportMismatch: If onnxruntime computes something else than torch.
    """
    network, resolution = realizer.realize(candidate), candidate.architecture.resolution
    shape = (realizer.data.channels, resolution, resolution)
    if isinstance(network, GraphNetwork):
        model = traced_to_onnx(network, [torch.zeros(2, *shape)])
    else:
        model = to_onnx(network, shape)
    session = open_session(model)
    inputs = realizer.normalization.inputs(realizer.data.validation.images[:_CHECKED_IMAGES], resolution)
    check_agreement(network, session, inputs)
    save_onnx(model, file)
    return realizer.measure_network(
        lambda images: torch.from_numpy(run_session(session, images.numpy())), resolution, realizer.data.test
    )["accuracy"]


def measured_latencies(workspace: Workspace, files: Sequence[Path], candidates: Sequence[Candidate]) -> list[float]:
    """Latency in milliseconds of every file on the job's device, at the speed at which its table holds.

    Not a number where the job has a table of another machine, or of a runtime that runs no files.
    """
    table = table_of_this_machine(workspace)
    if table is None:
        return [math.nan] * len(files)
    profiler = OnnxRuntimeProfiler(table.device)
    channels = workspace.data.channels
    sides = [candidate.architecture.resolution for candidate in candidates]
    shapes = [(table.device.batch, channels, side, side) for side in sides]
    networks = [OnnxNetwork(file.read_bytes(), shape) for file, shape in zip(files, shapes, strict=True)]
    timings = time_normalized(profiler, networks, table.device.precisions, table.reference_ms).timings
    return [timing.latency_ms for timing in timings]


def store_networks(
    workspace: Workspace, candidates: Sequence[Candidate], networks: pd.DataFrame, source: Source, record: RunRecord
) -> None:
    """Stores what a table says of its networks, unless an earlier start did.

    Args:
        workspace: Has the database.
        candidates: One for each row of the table.
        networks: Columns measured_accuracy, test_accuracy, measured_latency_ms and weight_bytes; expected_accuracy
            where more than the network itself was measured.
        source: Of the evaluations.
        record: Their run.
    """
    workspace.store(
        record,
        [
            Evaluation(
                candidate,
                {
                    name: float(networks[column].iloc[sequence])
                    for name, column in _COLUMNS.items()
                    if column in networks and not (name == LATENCY and math.isnan(networks[column].iloc[sequence]))
                },
                source,
                record.run,
                sequence,
                workspace.job.seed,
            )
            for sequence, candidate in enumerate(candidates)
        ],
    )
