"""Stage 5: export networks of the verified front, run them in onnxruntime, and report.

In: a verified front. Out: ONNX files, one table, and a page with the Pareto front.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nas.files import atomic_write
from nas.jobs.stages.front import VerifiedFront
from nas.jobs.stages.network_files import export_network, measured_latencies, networks_of, store_networks
from nas.jobs.workspace import Workspace
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace


def export(workspace: Workspace, checkpoint: Path, front: VerifiedFront) -> tuple[pd.DataFrame, Path]:
    """Exports, checks and measures the chosen networks, unless that is done.

    Returns:
        One row per network, and the folder that holds them, the table as `networks.csv`, and the policy of every layer
        as `layers.csv` (columns file, layer, operator, policy). Columns of the table: role (why it was chosen), key,
        predicted_accuracy (percent, by the predictor; NaN where the search measured instead), measured_accuracy
        (percent of the validation images), expected_accuracy and accuracy_std (percent of new images given all
        measurements, and its standard deviation), test_accuracy (percent of the test images, by the ONNX file),
        predicted_latency_ms, measured_latency_ms (of the ONNX file), weight_bytes and file.

    Raises:
        ExportMismatch: If onnxruntime computes something else than torch.
    """
    inputs = {"front": front.run, "count": workspace.job.export.count}
    folder = workspace.folder("export", inputs)
    chosen = choose(front, workspace.job.export.count)
    networks = networks_of(workspace, "export", folder, lambda: _exported(workspace, checkpoint, front, chosen, folder))
    candidates = [workspace.database.candidate(key) for key in networks["key"]]  # an earlier start may have chosen them
    store_networks(workspace, candidates, networks, "exported", workspace.record("export", inputs, front.device))
    return networks, folder


def choose(front: VerifiedFront, count: int) -> dict[str, int]:
    """Up to `count` distinct networks of the front by role: role to row of the front.

    Accuracies are the expected ones: by its score, the most accurate would be the luckiest. The balanced network is the
    nearest to the ideal point, each axis scaled to the range of the front.
    """
    rows = np.flatnonzero(front.best)
    axes = np.column_stack([-front.expected_accuracy[rows], front.latency_ms[rows], front.weight_bytes[rows]])
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


def _exported(
    workspace: Workspace, checkpoint: Path, front: VerifiedFront, chosen: dict[str, int], folder: Path
) -> pd.DataFrame:
    realizer = workspace.measurement(checkpoint).realizer(workspace.data)
    rows, candidates = list(chosen.values()), [front.population[row] for row in chosen.values()]
    names = [f"{role.replace(' ', '-')}-{one.key[:8]}.onnx" for role, one in zip(chosen, candidates, strict=True)]
    accuracies = []
    with workspace.reporter.bar("export to ONNX", len(chosen)) as bar:
        for candidate, name in zip(candidates, names, strict=True):
            accuracies.append(export_network(realizer, candidate, folder / name))
            bar.advance(1, name)
    with atomic_write(folder / "layers.csv") as draft:
        _layers(workspace.trained_space, candidates, names).to_csv(draft, index=False)
    return pd.DataFrame(
        {
            "role": list(chosen),
            "key": [candidate.key for candidate in candidates],
            "predicted_accuracy": np.nan if front.predicted_accuracy is None else front.predicted_accuracy[rows],
            "measured_accuracy": front.measured_accuracy[rows],
            "expected_accuracy": front.expected_accuracy[rows],
            "accuracy_std": front.accuracy_std[rows],
            "test_accuracy": accuracies,
            "predicted_latency_ms": front.latency_ms[rows],
            "measured_latency_ms": measured_latencies(workspace, [folder / name for name in names], candidates),
            "weight_bytes": front.weight_bytes[rows],
            "file": names,
        }
    )


def _layers(space: JointSpace, candidates: Sequence[Candidate], files: Sequence[str]) -> pd.DataFrame:
    """One row for each layer of each network: what it computes, and how it is compressed."""
    rows = [
        (file, layer.name, layer.operator.name, str(policy))
        for file, candidate in zip(files, candidates, strict=True)
        for layer, policy in zip(
            space.architectures.layers(candidate.architecture), candidate.policy.layers, strict=True
        )
    ]
    return pd.DataFrame(rows, columns=["file", "layer", "operator", "policy"])
