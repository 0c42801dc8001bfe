"""Fine-tuning: the weights of one candidate are trained a little further, for it alone and with its bits.

In: a trained supernet and a candidate of the database. Out: a checkpoint, an ONNX file, and evaluations.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd

from hardware.analytic import network_cost
from hardware.device import read_fingerprint
from nas.jobs.console.summary import Columns, networks_table
from nas.jobs.console.training_progress import following
from nas.jobs.files.training_section import MOST_EPOCHS
from nas.jobs.stages.network_files import export_network, measured_latencies, networks_of, store_networks
from nas.jobs.stages.profile import table_of_this_machine
from nas.jobs.stages.train import trained_checkpoint
from nas.jobs.workspace import Workspace
from nas.training.schedules.phase import Phase
from nas.training.schedules.schedule import Schedule
from results.description import describe
from search_spaces.candidate import Candidate

_COLUMNS: Columns = {
    "role": ("network", "{}"),
    "accuracy_before": ("accuracy %\nbefore", "{:.2f}"),
    "measured_accuracy": ("\nafter", "{:.2f}"),
    "test_accuracy": ("\ntest", "{:.2f}"),
    "measured_latency_ms": ("latency ms\nmeasured", "{:.4f}"),
    "weight_bytes": ("weights\nbytes", "{:,.0f}"),
    "file": ("file", "{}"),
}
_CAPTION = (
    "accuracy before and after is on validation images; test accuracy and latency are of the ONNX file in onnxruntime"
)


def schedule(epochs: float, learning_rate: float) -> Schedule:
    """One phase for one network, taught by labels and by the largest network of the supernet as it was found.

    Raises:
        ValueError: If the epochs are not above 0 and at most a million, or the learning rate is not above 0 and finite.
    """
    if not 0 < epochs <= MOST_EPOCHS:
        raise ValueError(f"epochs must be above 0 and at most {MOST_EPOCHS:,.0f}, got {epochs:g}")
    if not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate must be above 0 and finite, got {learning_rate:g}")
    return Schedule((Phase("finetune", epochs, learning_rate, subnets=("largest",), loss="teacher"),))


def finetune(workspace: Workspace, key: str, epochs: float, learning_rate: float) -> tuple[pd.DataFrame, Path]:
    """Fine-tunes a candidate with its policy, exports and measures it, unless that is done; a killed one goes on.

    Layers of fewer than 32 bits are trained quantised, with learnt steps.

    Args:
        workspace: The job, whose supernet is trained.
        key: First digits of the candidate's key in the results database.
        epochs: Passes over the training images.
        learning_rate: At the start; it falls to 0 on a cosine.

    Returns:
        One row, and the folder that holds the network and the row as `networks.csv`. Columns: role, key,
        accuracy_before and measured_accuracy (percent of the validation images, before and after), test_accuracy
        (percent of the test images, by the ONNX file), measured_latency_ms (of the ONNX file), weight_bytes and file.

    Raises:
        ValueError: If the job is not trained, or the key is none of a candidate of its space.
    """
    if workspace.network is not None:
        raise ValueError("nas finetune trains networks of a supernet further; space.network of the job is a given one")
    phases, checkpoint = schedule(epochs, learning_rate), trained_checkpoint(workspace)
    candidate = _candidate(workspace, key)
    table = table_of_this_machine(workspace)
    place = workspace.job.device.name if table is None else replace(table, fingerprint=read_fingerprint()).location
    inputs = {
        "supernet": checkpoint,
        "candidate": candidate.key,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "place": place,
        **workspace.compression,
    }
    folder = workspace.folder("finetune", inputs)

    def made() -> pd.DataFrame:
        tuned = _tuned(workspace, checkpoint, candidate, phases, folder)
        return _measured(workspace, checkpoint, tuned, candidate)

    networks = networks_of(workspace, "finetune", folder, made)
    store_networks(workspace, [candidate], networks, "finetuned", workspace.record("finetune", inputs, place))
    workspace.reporter.say(f"finetune {candidate.key}: {describe(candidate)}")
    workspace.reporter.console.print(networks_table(networks, _COLUMNS, _CAPTION))
    workspace.reporter.say(f"files    {folder}")
    return networks, folder


def _candidate(workspace: Workspace, key: str) -> Candidate:
    candidate = workspace.database.candidate(key)
    try:
        workspace.trained_space.encode([candidate])
    except ValueError as error:
        raise ValueError(
            f"candidate {candidate.key} is not of the space of job {workspace.job.name!r}: {error}; "
            "fine-tune it with the job that found it"
        ) from error
    return candidate


def _tuned(workspace: Workspace, checkpoint: Path, candidate: Candidate, phases: Schedule, folder: Path) -> Path:
    """The fine-tuned checkpoint, whose weights are meant for this candidate only."""
    finished = folder / "supernet.safetensors"
    if finished.exists():
        return finished
    task = workspace.training_task(phases, folder, checkpoint, candidate)
    with following(workspace.reporter, "fine-tune", folder) as watch:
        return task.carry_out(watch)


def _measured(workspace: Workspace, checkpoint: Path, tuned: Path, candidate: Candidate) -> pd.DataFrame:
    before, after = (workspace.measurement(weights).realizer(workspace.data) for weights in (checkpoint, tuned))
    file = tuned.with_name(f"fine-tuned-{candidate.key[:8]}.onnx")
    weight_bytes = network_cost(workspace.trained_space, "weight_bytes")
    return pd.DataFrame(
        {
            "role": ["fine-tuned"],
            "key": [candidate.key],
            "accuracy_before": [before.measure_accuracy(candidate)],
            "measured_accuracy": [after.measure_accuracy(candidate)],
            "test_accuracy": [export_network(after, candidate, file)],
            "measured_latency_ms": measured_latencies(workspace, [file], [candidate]),
            "weight_bytes": weight_bytes(workspace.trained_space.encode([candidate]).genes),
            "file": [file.name],
        }
    )
