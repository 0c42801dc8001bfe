"""Stage 5: export networks of the verified front, run them in onnxruntime, and report.

In: a verified front. Out: ONNX files, one table, and a page with the Pareto front.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hardware.device import device
from hardware.profiler import Network, OnnxRuntimeProfiler
from nas.evaluation.realize import CandidateRealizer
from nas.export.agreement import check_agreement
from nas.export.onnx_model import open_session, run_session, save_onnx, to_onnx
from nas.files import replacing
from nas.jobs.search import VerifiedFront
from nas.jobs.workspace import Workspace
from results.evaluation import Evaluation, RunRecord
from search_spaces.candidate import Candidate

_ROUNDS = 7


def export(workspace: Workspace, checkpoint: Path, front: VerifiedFront) -> tuple[pd.DataFrame, Path]:
    """Exports, checks and measures the chosen networks, unless that is done.

    Returns:
        One row per network, and the folder that holds them and the table as `networks.csv`. Columns: role (why it was
        chosen), key, predicted_accuracy (percent, by the predictor), measured_accuracy (percent of the validation
        images, on the supernet), test_accuracy (percent of the test images, by the ONNX file), predicted_latency_ms,
        measured_latency_ms (of the ONNX file), weight_bytes and file.

    Raises:
        ExportMismatch: If onnxruntime computes something else than torch.
    """
    inputs = {"front": front.run, "count": workspace.job.export.count}
    folder = workspace.folder("export", inputs)
    finished = folder / "networks.csv"
    chosen = choose(front, workspace.job.export.count)
    networks = _finished(finished)
    if networks is not None:
        workspace.reporter.say(f"export   done before: {folder}")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        networks = _exported(workspace, checkpoint, front, chosen, folder)
        with replacing(finished) as draft:
            networks.to_csv(draft, index=False)
    _store(workspace, front, chosen, networks, workspace.record("export", inputs, front.device))
    return networks, folder


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


def _finished(table: Path) -> pd.DataFrame | None:
    """The networks of a table that is there with all its files, else None."""
    if not table.exists():
        return None
    networks = pd.read_csv(table, dtype={"role": str, "key": str, "file": str})
    return networks if all((table.parent / name).exists() for name in networks["file"]) else None


def _exported(
    workspace: Workspace, checkpoint: Path, front: VerifiedFront, chosen: dict[str, int], folder: Path
) -> pd.DataFrame:
    realizer = workspace.measurement(checkpoint).realizer(workspace.data)
    rows, candidates = list(chosen.values()), [front.population[row] for row in chosen.values()]
    names = [f"{role.replace(' ', '-')}-{one.key[:8]}.onnx" for role, one in zip(chosen, candidates, strict=True)]
    accuracies = []
    with workspace.reporter.bar("export to ONNX", len(chosen)) as bar:
        for candidate, name in zip(candidates, names, strict=True):
            accuracies.append(_export_one(realizer, candidate, folder / name))
            bar.advance(1, name)
    return pd.DataFrame(
        {
            "role": list(chosen),
            "key": [candidate.key for candidate in candidates],
            "predicted_accuracy": front.predicted_accuracy[rows],
            "measured_accuracy": front.measured_accuracy[rows],
            "test_accuracy": accuracies,
            "predicted_latency_ms": front.latency_ms[rows],
            "measured_latency_ms": _measured_latencies(workspace, [folder / name for name in names], candidates),
            "weight_bytes": front.weight_bytes[rows],
            "file": names,
        }
    )


def _export_one(realizer: CandidateRealizer, candidate: Candidate, file: Path) -> float:
    """Writes one network; returns its accuracy in percent on the test images in onnxruntime."""
    network, resolution = realizer.network(candidate), candidate.architecture.resolution
    model = to_onnx(network, (realizer.data.channels, resolution, resolution))
    session = open_session(model)
    inputs = realizer.normalization.inputs(realizer.data.validation.images[:256], resolution)
    check_agreement(network, session, inputs)
    save_onnx(model, file)
    return realizer.accuracy_of(
        lambda images: torch.from_numpy(run_session(session, images.numpy())), resolution, realizer.data.test
    )


def _measured_latencies(workspace: Workspace, files: list[Path], candidates: list[Candidate]) -> list[float]:
    profiler = OnnxRuntimeProfiler(device(workspace.job.device.name))
    channels = workspace.data.channels
    sides = [candidate.architecture.resolution for candidate in candidates]
    networks = [Network(file.read_bytes(), (1, channels, side, side)) for file, side in zip(files, sides, strict=True)]
    return [timing.median_ms for timing in profiler.interleaved(networks, _ROUNDS)]


def _store(
    workspace: Workspace, front: VerifiedFront, chosen: dict[str, int], networks: pd.DataFrame, record: RunRecord
) -> None:
    workspace.database.begin(record)
    if workspace.database.evaluations(record.run):
        return  # stored by an earlier start
    metrics = {
        "accuracy": "measured_accuracy",
        "test_accuracy": "test_accuracy",
        "latency_ms": "measured_latency_ms",
        "weight_bytes": "weight_bytes",
    }
    workspace.database.append(
        Evaluation(
            front.population[row],
            {name: float(networks[column].iloc[sequence]) for name, column in metrics.items()},
            "exported",
            record.run,
            sequence,
            workspace.job.seed,
        )
        for sequence, row in enumerate(chosen.values())
    )
