"""Stage 5: export networks of the verified front, run them in onnxruntime, and report.

In: a verified front. Out: ONNX files, one table, and a page with the Pareto front.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hardware.device import device
from hardware.profiler import Network, OnnxRuntimeProfiler
from nas.evaluation.realize import CandidateRealizer
from nas.export.agreement import check_agreement
from nas.export.onnx_model import open_session, run_session, save_onnx, to_onnx
from nas.jobs.search import VerifiedFront
from nas.jobs.workspace import Workspace
from results.evaluation import Evaluation, RunRecord
from search_spaces.candidate import Candidate

_ROUNDS = 7


@dataclass(frozen=True)
class ExportedNetwork:
    """One exported network: what was predicted, what was measured, and where it is.

    Attributes:
        role: Why it was chosen.
        candidate: The candidate.
        predicted_accuracy: Percent, by the predictor.
        measured_accuracy: Percent of the validation images, on the supernet.
        test_accuracy: Percent of the test images, by the ONNX file in onnxruntime.
        predicted_latency_ms: From the calibrated table.
        measured_latency_ms: Of the ONNX file in onnxruntime.
        weight_bytes: Size of the compressed weights.
        file: The ONNX file.
    """

    role: str
    candidate: Candidate
    predicted_accuracy: float
    measured_accuracy: float
    test_accuracy: float
    predicted_latency_ms: float
    measured_latency_ms: float
    weight_bytes: float
    file: Path


def export(workspace: Workspace, checkpoint: Path, front: VerifiedFront) -> list[ExportedNetwork]:
    """Exports, checks and measures the chosen networks; files and figures that are there are made again.

    Raises:
        ExportMismatch: If onnxruntime computes something else than torch.
    """
    inputs = {"front": front.run, "count": workspace.job.export.count}
    folder = workspace.folder("export", inputs)
    realizer = workspace.measurement(checkpoint).realizer(workspace.data)
    chosen = choose(front, workspace.job.export.count)
    files, accuracies = [], []
    with workspace.reporter.bar("export to ONNX", len(chosen)) as bar:
        for role, row in chosen.items():
            candidate = front.population[row]
            files.append(folder / f"{role.replace(' ', '-')}-{candidate.key[:8]}.onnx")
            accuracies.append(_export_one(realizer, candidate, files[-1]))
            bar(1, role)
    latencies = _measured_latencies(workspace, files, [front.population[row] for row in chosen.values()])
    exported = [
        ExportedNetwork(
            role=role,
            candidate=front.population[row],
            predicted_accuracy=float(front.predicted_accuracy[row]),
            measured_accuracy=float(front.measured_accuracy[row]),
            test_accuracy=accuracy,
            predicted_latency_ms=float(front.latency_ms[row]),
            measured_latency_ms=latency,
            weight_bytes=float(front.weight_bytes[row]),
            file=file,
        )
        for (role, row), file, accuracy, latency in zip(chosen.items(), files, accuracies, latencies, strict=True)
    ]
    _store(workspace, exported, workspace.record("export", inputs))
    return exported


def choose(front: VerifiedFront, count: int) -> dict[str, int]:
    """Up to `count` distinct networks of the measured front by role: role to row of the front.

    The balanced network is the nearest to the ideal point, each axis scaled to the range of the front.
    """
    rows = np.flatnonzero(front.best)
    axes = np.column_stack([-front.measured_accuracy[rows], front.latency_ms[rows], front.weight_bytes[rows]])
    scaled = (axes - axes.min(0)) / np.maximum(np.ptp(axes, axis=0), 1e-12)
    wanted = {
        "most accurate": rows[axes[:, 0].argmin()],
        "balanced": rows[np.linalg.norm(scaled, axis=1).argmin()],
        "fastest": rows[axes[:, 1].argmin()],
        "smallest": rows[axes[:, 2].argmin()],
    }
    wanted |= {f"front {number}": row for number, row in enumerate(rows)}
    distinct: dict[str, int] = {}
    for role, row in wanted.items():
        if int(row) not in distinct.values() and len(distinct) < count:
            distinct[role] = int(row)
    return distinct


def _export_one(realizer: CandidateRealizer, candidate: Candidate, file: Path) -> float:
    """Writes one network; returns its accuracy in percent on the test images in onnxruntime."""
    network, resolution = realizer.network(candidate), candidate.architecture.resolution
    model = to_onnx(network, (realizer.data.channels, resolution, resolution))
    session = open_session(model)
    inputs = realizer.normalization.inputs(realizer.data.validation.images[:256], resolution)
    check_agreement(network, session, inputs)
    save_onnx(model, file)
    hits = 0
    for inputs, labels in realizer.normalization.batches(realizer.data.test, resolution, 256):
        hits += int((run_session(session, inputs.numpy()).argmax(1) == labels.numpy()).sum())
    return 100 * hits / len(realizer.data.test)


def _measured_latencies(workspace: Workspace, files: list[Path], candidates: list[Candidate]) -> list[float]:
    profiler = OnnxRuntimeProfiler(device(workspace.job.device.name))
    channels = workspace.data.channels
    sides = [candidate.architecture.resolution for candidate in candidates]
    networks = [Network(file.read_bytes(), (1, channels, side, side)) for file, side in zip(files, sides, strict=True)]
    return [timing.median_ms for timing in profiler.interleaved(networks, _ROUNDS)]


def _store(workspace: Workspace, exported: list[ExportedNetwork], record: RunRecord) -> None:
    """Appends what was measured to the database; a repeated export adds its figures behind the earlier ones."""
    workspace.database.begin(record)
    first = len(workspace.database.evaluations(record.run))
    workspace.database.append(
        Evaluation(
            network.candidate,
            {
                "accuracy": network.test_accuracy,
                "latency_ms": network.measured_latency_ms,
                "weight_bytes": network.weight_bytes,
            },
            "exported",
            record.run,
            first + row,
            workspace.job.seed,
        )
        for row, network in enumerate(exported)
    )
