"""The damage that each policy of each layer of a given network does alone, measured once and kept in a table."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np

from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork
from nas.evaluation.realize import one_thread
from nas.files import atomic_write
from nas.jobs.execution import Execution
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages.subject import Subject
from nas.objectives import FloatArray
from search_spaces.joint_space import JointSpace

DAMAGE = "damage.csv"  # columns layer, policy, damage
CALIBRATION_SAMPLES = 512  # training samples on which damage is measured; the publications take 256 to 1,024


def find_damage(metric: str, subject: Subject, execution: Execution) -> tuple[FloatArray, ...]:
    """The damage of each policy of each layer, shape (policies of the layer,) each; measured unless it is known.

    Args:
        metric: Name of the sensitivity metric.
        subject: The given network, the samples and how networks are compressed.
        execution: The runs and the reporter of the job.

    Raises:
        ValueError: If the stored table was damaged, or the metric needs what the job does not have.
    """
    reporter, space = execution.reporter, subject.space
    inputs = {"subject": subject.digest, "policies": space.policies.to_json(), "sensitivity": metric}
    folder = execution.runs.path("sensitivity", inputs | {"samples": CALIBRATION_SAMPLES})
    path = folder / DAMAGE
    if not StageFolder(folder).holds(DAMAGE):
        begun = time.monotonic()
        entries = sum(map(len, space.slot_policies))
        reporter.say(f"damage   measuring {entries} policies of {len(space.slot_policies)} layers by {metric}")
        _write(path, _measure(metric, subject), space)
        reporter.say(f"damage   {time.monotonic() - begun:.0f} s: {path}")
    return _read(path, space)


def _measure(metric: str, subject: Subject) -> tuple[FloatArray, ...]:
    realizer, measurement = subject.realizer(), subject.measurement
    assert isinstance(realizer.source, TracedNetwork)  # of a given network, which the job file was checked to have
    data = realizer.calibration_data(CALIBRATION_SAMPLES)
    compressed = CompressionSubject(
        realizer.source, subject.space.slot_policies, data, measurement.methods, subject.data.task
    )
    with one_thread():
        return SENSITIVITY_METRICS[metric]().damage(compressed)


def _write(path: Path, damage: tuple[FloatArray, ...], space: JointSpace) -> None:
    """Writes the table, and what says that it is whole."""
    rows = [
        (slot.name, str(policy), value)
        for slot, policies, known in zip(space.architectures.slots, space.slot_policies, damage, strict=True)
        for policy, value in zip(policies, known.tolist(), strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("layer", "policy", "damage"), *rows])
    StageFolder(path.parent).record(path.name)


def _read(path: Path, space: JointSpace) -> tuple[FloatArray, ...]:
    """The table of a file that was found whole; its rows are in the order of the space."""
    with path.open(newline="", encoding="utf-8") as file:
        values = np.array([float(row["damage"]) for row in csv.DictReader(file)])
    return tuple(np.split(values, np.cumsum([len(policies) for policies in space.slot_policies])[:-1]))
