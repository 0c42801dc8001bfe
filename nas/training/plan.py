"""A training as a value: what is trained and by which rules; and, apart from it, on which processes and devices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Any

import torch

from nas.data.augmentation.augmentation import Augmentation
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.training.distributed.team import SingleProcess, Team
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class TrainingPlan:
    """What decides the outcome of a training, besides the images and the weights that it starts from.

    Attributes:
        space: The architectures that are trained, with the policies that layers may take.
        schedule: The phases of the training.
        settings: The settings that hold in all phases.
        seed: Seed of the batches, the augmentation, the subnets and every other random choice.
        only: The one candidate that is trained, whatever the phases open; None trains all that the phases open.
    """

    space: JointSpace
    schedule: Schedule
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    seed: int = 0
    only: Candidate | None = None

    def open_subspaces(self) -> list[Subspace]:
        """The part of the space from which each phase draws its subnets.

        Raises:
            ValueError: If a phase does not suit the space, as `Schedule.open_subspaces` describes.
        """
        subspaces = self.schedule.open_subspaces(self.space)
        if self.only is None:
            return subspaces
        return [subspace.confine_to(Subspace.only(self.space, self.only)) for subspace in subspaces]

    @property
    def identity(self) -> str:
        """The plan as text. A training resumes only from a checkpoint that was written by the same plan."""
        described = {
            "policies": self.space.policies.to_json(),
            "schedule": _describe(self.schedule),
            "settings": _describe(self.settings),
            "seed": self.seed,
        }
        if self.only is not None:
            described["only"] = self.only.key
        return json.dumps(described, sort_keys=True)


@dataclass(frozen=True)
class TrainingExecution:
    """The processes and the device that run a training.

    The trained weights depend on the device by rounding only. Their dependence on the number of workers is larger: each
    worker augments its own part of a batch, and normalises it by the statistics of that part.

    Attributes:
        team: The processes that train together.
        device: The torch device; None is the current CUDA device or, where there is none, the CPU.
        checkpoint_s: Seconds between checkpoints.
        watched: What is measured of a few subnets meanwhile; None is the headline metric of the task.
    """

    team: Team = field(default_factory=SingleProcess)
    device: torch.device | None = None
    checkpoint_s: float = 60.0
    watched: MeasuredMetric | None = None

    def choose_device(self) -> torch.device:
        """The torch device to train on: the given one, else CUDA where there is a GPU, else the CPU."""
        return self.device or torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _describe(value: Any) -> Any:
    """A value as JSON, without fields that have their defaults, so that a new setting leaves old identities equal."""
    if isinstance(value, Augmentation):  # of many kinds, which their fields do not tell apart
        return [value.name, _describe_fields(value)]
    if is_dataclass(value):
        return _describe_fields(value)
    if isinstance(value, Mapping):
        return {name: _describe(found) for name, found in value.items()}
    if isinstance(value, list | tuple):
        return [_describe(found) for found in value]
    return value


def _describe_fields(value: Any) -> dict[str, Any]:
    described = ((one, getattr(value, one.name)) for one in fields(value))
    return {one.name: _describe(found) for one, found in described if not _is_default(one, found)}


def _is_default(one: Field[Any], found: object) -> bool:
    default = one.default_factory() if one.default_factory is not MISSING else one.default
    return default is not MISSING and bool(found == default)
