"""The training section of a job file, and the schedule that it asks for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from nas.data.augmentation.registry import read_augmentations
from nas.jobs.files.bounds import (
    MOST_BATCHES,
    MOST_CLASS_WEIGHT,
    MOST_CLASSES,
    MOST_EPOCHS,
    MOST_IMAGES_AT_ONCE,
    MOST_LEAVES,
    MOST_LISTED,
    MOST_PHASES,
    MOST_SUBNETS,
    MOST_WEIGHT_DECAY,
    Epochs,
    LearningRate,
    Selector,
    Share,
)
from nas.jobs.files.section import Section
from nas.tasks.class_weights import BALANCED, ClassWeights
from nas.training.schedules.phase import BitSampling, Decay, Divergence, FewShotSplit, Loss, Phase, Subnet
from nas.training.schedules.registry import SCHEDULES, create_schedule
from nas.training.schedules.schedule import Schedule
from nas.training.settings import OptimizerName, Precision, TrainingSettings
from search_spaces.joint_space import JointSpace
from search_spaces.quoting import quote

ClassWeight = Annotated[float, Field(gt=0, le=MOST_CLASS_WEIGHT, allow_inf_nan=False)]
ListOfWeights = Annotated[list[ClassWeight], Field(max_length=MOST_CLASSES)]
NamedWeights = Annotated[dict[str, ClassWeight], Field(max_length=MOST_CLASSES)]


class SplitSection(Section):
    """See `nas.training.schedules.phase.FewShotSplit`."""

    dimensions: Annotated[list[str], Field(max_length=MOST_LISTED)]
    groups: Annotated[int, Field(ge=2, le=MOST_LEAVES)] = 2
    batches: Annotated[int, Field(ge=1, le=MOST_BATCHES)] = 20


class PhaseSection(Section):
    """One phase of a schedule of one's own; see `nas.training.schedules.phase.Phase`."""

    name: str
    epochs: Epochs
    learning_rate: LearningRate
    open: Annotated[dict[str, Selector], Field(max_length=MOST_LISTED)] = {}
    subnets: Annotated[list[Subnet], Field(max_length=MOST_SUBNETS)] = ["largest"]
    loss: Loss = "labels"
    divergence: Divergence = "kl"
    decay: Decay = "cosine"
    warm_up_epochs: Annotated[float, Field(ge=0, le=MOST_EPOCHS, allow_inf_nan=False)] = 0.0
    delay: Share = 0.0
    ramp: Share = 0.0
    ramp_start: Share = 0.01
    dropout: Share = 0.0
    sort_channels: bool = False
    bit_sampling: BitSampling = "uniform"
    split: SplitSection | None = None

    @field_validator("open", mode="before")
    @classmethod
    def _are_values(cls, opened: object) -> object:
        for name, values in opened.items() if isinstance(opened, dict) else ():
            if not isinstance(values, str) and not (
                isinstance(values, list) and all(type(value) in (int, float, str) for value in values)
            ):
                raise ValueError(
                    f"what is open of {name} is 'all', 'largest N' or a list of values, got {quote(values)}"
                )
            if isinstance(values, list) and len({*values}) < len(values):
                raise ValueError(f"what is open of {name} must be listed once each, got {quote(values)}")
        return opened

    @model_validator(mode="after")
    def _makes_a_phase(self) -> PhaseSection:
        self.phase()
        return self

    def phase(self) -> Phase:
        """The phase that these keys describe."""
        keys: dict[str, Any] = self.model_dump(exclude={"split", "subnets"})
        split = None
        if self.split is not None:
            split = FewShotSplit(tuple(self.split.dimensions), self.split.groups, self.split.batches)
        return Phase(**keys, subnets=tuple(self.subnets), split=split)


class TrainingSection(Section):
    """The schedule, ready-made or phase by phase, and what holds in all of its phases."""

    schedule: Annotated[str, AfterValidator(SCHEDULES.check_name)] = "single"
    epochs: Epochs = 75.0
    learning_rate: LearningRate = 0.1
    phases: Annotated[list[PhaseSection], Field(min_length=1, max_length=MOST_PHASES)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=MOST_IMAGES_AT_ONCE)] = 64
    weight_decay: Annotated[float, Field(ge=0, le=MOST_WEIGHT_DECAY, allow_inf_nan=False)] = 3e-5
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    flip: bool = False
    optimizer: OptimizerName = "sgd"
    precision: Precision = "float32"
    channels_last: bool = True
    class_weights: Literal["balanced"] | ListOfWeights | NamedWeights | None = None
    augmentation: object = None  # as it stands in the file, which is sent to clusters

    @field_validator("augmentation")
    @classmethod
    def _are_augmentations(cls, stated: object) -> object:
        if stated is not None:
            read_augmentations(stated)
        return stated

    @model_validator(mode="after")
    def _one_or_the_other(self) -> TrainingSection:
        extra = self.model_fields_set & {"schedule", "epochs", "learning_rate"}
        if self.phases and extra:
            raise ValueError(f"phases stand for {', '.join(sorted(extra))}; leave out the one or the other")
        if self.phases:
            first, *_ = Schedule(tuple(section.phase() for section in self.phases)).phases
            if first.split is not None or first.loss == "teacher":
                raise ValueError(
                    f"phase {first.name!r}: the first phase starts from random weights, which can neither be split nor "
                    "teach; split in a later phase, and take loss labels or in_place"
                )
        if self.augmentation is not None and "flip" in self.model_fields_set:
            raise ValueError("flip belongs to the default augmentation; leave it out, or list flip in augmentation")
        return self

    def list_augmentations(self) -> list[str]:
        """Names of the augmentations that are stated."""
        return [one.name for one in self.settings().augmentation or ()]

    def resolve(self, space: JointSpace) -> Schedule:
        """The schedule for a space.

        Raises:
            ValueError: If a phase opens what the space lacks.
        """
        if self.phases:
            schedule = Schedule(tuple(section.phase() for section in self.phases))
        else:
            schedule = create_schedule(self.schedule, self.epochs, self.learning_rate, space)
        schedule.open_subspaces(space)
        return schedule

    @property
    def divergences(self) -> set[str]:
        """The divergences by which students are compared with teachers in some phase that has any."""
        sections = self.phases
        phases = [one.phase() for one in sections] if sections else self._create_schedule().phases
        return {phase.divergence for phase in phases if phase.loss != "labels"}

    @property
    def splits(self) -> bool:
        """Whether some phase splits the supernet, so that it has leaves."""
        if self.phases:
            return any(section.split is not None for section in self.phases)
        return any(phase.split is not None for phase in self._create_schedule().phases)

    def _create_schedule(self) -> Schedule:
        """The ready-made schedule, whatever the space."""
        return SCHEDULES[self.schedule](self.epochs, self.learning_rate)

    def settings(self) -> TrainingSettings:
        """What holds in all phases."""
        others = {"schedule", "epochs", "learning_rate", "phases", "class_weights", "augmentation"}
        augmentation = None if self.augmentation is None else read_augmentations(self.augmentation)
        weights = _freeze(self.class_weights)
        return TrainingSettings(**self.model_dump(exclude=others), class_weights=weights, augmentation=augmentation)

    def described(self) -> dict[str, Any]:
        """What decides outcomes, for the inputs of stages; without keys that were not there before and are left out."""
        described = self.model_dump(
            exclude={"augmentation"} | ({"class_weights"} if self.class_weights is None else set())
        )
        stated = self.settings().described().get("augmentation")
        return described if stated is None else described | {"augmentation": stated}


def _freeze(stated: str | list[float] | dict[str, float] | None) -> ClassWeights | None:
    """Weights of classes as a value."""
    if isinstance(stated, dict):
        return tuple(stated.items())
    return tuple(stated) if isinstance(stated, list) else BALANCED if stated == BALANCED else None
