"""Fine-tuning: the weights of one candidate are trained a little further, for it alone and with its bits."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hardware.analytic import network_cost
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from nas.export.description import NetworkDescription
from nas.export.target import ExportTarget
from nas.jobs.console.training_progress import follow_training
from nas.jobs.execution import Execution
from nas.jobs.files.bounds import MOST_EPOCHS, MOST_LEARNING_RATE, MOST_LOSS_WEIGHT
from nas.jobs.job_runs import Inputs, JobRuns
from nas.jobs.stages.export import Export
from nas.jobs.stages.manifests import state_latencies
from nas.jobs.stages.network_files import (
    MEASURED,
    FileForm,
    export_network,
    make_once,
    store_networks,
    time_files,
)
from nas.jobs.stages.subject import Subject
from nas.training.progress import StepCallback, ignore_step
from search_spaces.candidate import Candidate

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

SIZE = "weight_bytes"


class Tuner(ABC):
    """Trains one candidate further."""

    @property
    @abstractmethod
    def inputs(self) -> Inputs:
        """What the outcome depends on besides subject, candidate and `FineTuning`."""

    @abstractmethod
    def tune(self, folder: Path, watch: StepCallback) -> nn.Module:
        """The trained network.

        Args:
            folder: Where it may keep what it resumes from.
            watch: Called after every step.
        """

    @abstractmethod
    def check_finished(self, folder: Path) -> None:
        """Makes sure that `tune` reads what it has trained before, and trains nothing.

        Args:
            folder: Where it has kept that.

        Raises:
            ValueError: If it is not there.
        """


@dataclass(frozen=True)
class FineTuning:
    """For how long a candidate is fine-tuned, and how fast.

    Attributes:
        epochs: Number of passes over the training images.
        learning_rate: Learning rate at the start; it falls to 0 on a cosine.
        feature_distillation: Weight in the loss of what features of a given network without blocks differ from its own;
            0 compares outputs alone.

    Raises:
        ValueError: If the epochs are not above 0 and at most a million, the learning rate not above 0 and at most
            10,000, or the weight not within 0 and a million.
    """

    epochs: float
    learning_rate: float
    feature_distillation: float = 0.0

    def __post_init__(self) -> None:
        check_tuning(self.epochs, self.learning_rate, self.feature_distillation)


def check_tuning(epochs: float, learning_rate: float | None, feature_distillation: float) -> None:
    """Checks for how long a candidate is to be fine-tuned, and how fast.

    Args:
        epochs: Number of passes over the training samples.
        learning_rate: Learning rate at the start; None if none is stated.
        feature_distillation: Weight of features in the loss.

    Raises:
        ValueError: As `FineTuning` describes.
    """
    if not 0 < epochs <= MOST_EPOCHS:
        raise ValueError(f"epochs must be above 0 and at most {MOST_EPOCHS:,.0f}, got {epochs:g}")
    if learning_rate is not None and not 0 < learning_rate <= MOST_LEARNING_RATE:
        raise ValueError(f"learning_rate must be above 0 and at most {MOST_LEARNING_RATE:,.0f}, got {learning_rate:g}")
    if not 0 <= feature_distillation <= MOST_LOSS_WEIGHT:
        raise ValueError(
            f"feature_distillation must lie in [0, {MOST_LOSS_WEIGHT:,.0f}], the weight of features in the loss; got "
            f"{feature_distillation:g}"
        )


def finetune(
    candidate: Candidate,
    tuning: FineTuning,
    tuner: Tuner,
    subject: Subject,
    table: LatencyTable | None,
    execution: Execution,
) -> Export:
    """Fine-tunes a candidate, exports and measures it, unless that is done; an interrupted training is continued.

    Args:
        candidate: The candidate, trained under its policies.
        tuning: The number of epochs and the learning rate.
        tuner: Trains it so.
        subject: The trained supernet, or the given network.
        table: The latency table, on whose device, and at whose machine speed, the file is timed; None does not time it.
        execution: The runs and the reporter of the job.

    Returns:
        One row, and its folder. Columns: role, key, before_X and measured_X of every measured metric X (on the
        validation images, before and after), test_X (on the test images, by the ONNX file), measured_latency_ms (of the
        ONNX file), weight_bytes and file.
    """
    runs, reporter = execution.runs, execution.reporter
    location = "any" if table is None else table.location
    inputs = _list_inputs(candidate, tuning, tuner, subject, location)
    folder = runs.path("finetune", inputs)

    def make() -> pd.DataFrame:
        with follow_training(reporter, "fine-tune", folder) as watch:
            network = tuner.tune(folder, watch)
        return _measured(candidate, network, subject, folder, table, execution.target)

    def say(state: str) -> None:
        reporter.say(f"finetune {state}: {folder}")

    networks = make_once(folder, make, say, metrics=runs.metrics)
    store_networks(networks, [candidate], "finetuned", runs.record("finetune", inputs, location), runs)
    return Export(networks, folder)


def restore_finetuned(
    candidate: Candidate, tuning: FineTuning, tuner: Tuner, subject: Subject, location: str, runs: JobRuns
) -> nn.Module:
    """The network that `finetune` has trained.

    Args:
        candidate: The candidate.
        tuning: The number of epochs and the learning rate.
        tuner: What has trained it so.
        subject: The trained supernet, or the given network.
        location: The device and machine that its file was timed on.
        runs: The runs of the job.

    Raises:
        ValueError: If what it has trained is not there, or damaged.
    """
    folder = runs.path("finetune", _list_inputs(candidate, tuning, tuner, subject, location))
    tuner.check_finished(folder)
    return tuner.tune(folder, ignore_step)


def _list_inputs(
    candidate: Candidate, tuning: FineTuning, tuner: Tuner, subject: Subject, location: str
) -> dict[str, object]:
    """What the outcome of a fine-tuning depends on."""
    features = {"feature_distillation": tuning.feature_distillation} if tuning.feature_distillation else {}
    return {
        **subject.inputs,
        "subject": subject.digest,
        "candidate": candidate.key,
        "epochs": tuning.epochs,
        "learning_rate": tuning.learning_rate,
        **features,  # no entry where it is not used, as in fine-tunings of before
        "location": location,
        **tuner.inputs,
    }


def _measured(
    candidate: Candidate,
    network: nn.Module,
    subject: Subject,
    folder: Path,
    table: LatencyTable | None,
    target: ExportTarget,
) -> pd.DataFrame:
    import pandas as pd

    metrics, realizer, data = subject.measurement.metrics, subject.realizer(), subject.data
    resolution, file = candidate.architecture.resolution, folder / f"fine-tuned-{candidate.key[:8]}.onnx"
    before = realizer.measure(candidate, metrics)
    found = realizer.measure_network(network, resolution, data.validation, metrics)
    layers = subject.space.architectures.layers(candidate.architecture)
    form = FileForm(target, description=NetworkDescription(candidate, layers))
    tested = export_network(network, resolution, realizer, subject, file, form)
    columns: dict[str, object] = {"role": "fine-tuned", "key": candidate.key}
    for name in subject.metric_names:
        columns |= {f"before_{name}": before[name], f"{MEASURED}{name}": found[name], f"test_{name}": tested[name]}
    columns[f"{MEASURED}{LATENCY}"] = measured = time_files(table, [file], [candidate], data)[0]
    state_latencies(table, [file], [math.nan], [measured])
    columns[SIZE] = float(network_cost(subject.space, SIZE)(subject.space.encode([candidate]).genes)[0])
    return pd.DataFrame([columns | {"file": file.name}])
