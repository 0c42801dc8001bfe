"""The job file: strict, typed, and turned into plain arguments at the door.

In: a YAML file. Out: a frozen `Job`. Knows nothing of how a job is done.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hardware.device import Device, device
from nas.jobs.compression_section import CompressionSection
from nas.jobs.search_section import SearchSection
from nas.jobs.section import Section, read_section
from nas.jobs.training_section import TrainingSection
from nas.search.registry import SEARCHERS
from predictors.registry import PREDICTORS
from search_spaces.joint_space import JointSpace
from search_spaces.narrowed import NarrowedSpace
from search_spaces.policy_space import PolicyRule, PolicySpace
from search_spaces.presets import SPACES, search_space
from search_spaces.space import SearchSpace

Count = Annotated[int, Field(ge=1)]


class DataSection(Section):
    """Where the images come from; see `nas.data.sources.load_images`."""

    source: str = "digits"
    limit: Annotated[int, Field(ge=100)] | None = None
    image_size: Annotated[int, Field(ge=8, le=512)] = 32
    split_seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class PolicyRuleSection(Section):
    """The policies of the layers of a name, an operator or a position; see `search_spaces.policy_space.PolicyRule`."""

    policies: list[str]
    name: str | None = None
    operator: str | None = None
    position: Literal["first", "last"] | None = None

    @model_validator(mode="after")
    def _is_a_rule(self) -> PolicyRuleSection:
        self.rule()
        return self

    def rule(self) -> PolicyRule:
        """The rule as the engine has it."""
        return PolicyRule.from_json(self.model_dump(exclude_none=True))


class SpaceSection(Section):
    """Which networks, and which policies for each of their layers: `policies`, but for those of `policies_for`.

    The supernet is trained for the whole space; `only` says what is profiled, fitted and searched of it. It gives the
    values that remain of a dimension (`depth`) or of one gene (`0.depth`); one value everywhere is one given network.
    """

    name: str
    policies: list[str]
    policies_for: list[PolicyRuleSection] = []
    only: dict[str, str | list[int | float | str]] = {}

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        return SPACES.known(name)

    @field_validator("policies")
    @classmethod
    def _readable(cls, policies: list[str]) -> list[str]:
        PolicySpace.parse(policies)
        return policies

    @model_validator(mode="after")
    def _narrows(self) -> SpaceSection:
        JointSpace(self.narrowed(search_space(self.name, image_channels=1, classes=2)), self.policy_space())
        return self

    def policy_space(self) -> PolicySpace:
        """The policies of all layers, and of those that are named."""
        return PolicySpace(PolicySpace.parse(self.policies).policies, tuple(one.rule() for one in self.policies_for))

    def narrowed(self, whole: SearchSpace) -> SearchSpace:
        """What remains of the space of that name."""
        return NarrowedSpace(whole, self.only) if self.only else whole


class DeviceSection(Section):
    """What latency means: a device of this machine, with its threads and inputs per inference, or a table of any.

    Limits on latency need a table that tells whole networks well, where that is known (it is not of imported and
    estimated ones); `accept_poor_fit` takes any.
    """

    name: str = "onnxruntime_cpu"
    threads: Count = 1
    batch: Count = 1
    table: str | None = None
    calibration_networks: Annotated[int, Field(ge=4)] = 300
    accept_poor_fit: bool = False

    @model_validator(mode="after")
    def _is_here_or_has_a_table(self) -> DeviceSection:
        if self.table is None:
            self.here()
        elif (self.threads, self.batch) != (1, 1):
            raise ValueError("threads and batch are those of the table, where one is given; leave them out")
        return self

    def here(self) -> Device:
        """The device on this machine.

        Raises:
            ValueError: If its name is not registered.
        """
        return replace(device(self.name), threads=self.threads, batch=self.batch)


class FitSection(Section):
    """The accuracy predictor and the candidates that are measured to fit it."""

    predictor: str = "ridge"
    candidates: Annotated[int, Field(ge=10)] = 100

    @field_validator("predictor")
    @classmethod
    def _known(cls, name: str) -> str:
        return PREDICTORS.known(name)


class ExportSection(Section):
    """How many networks of the verified front are exported."""

    count: Annotated[int, Field(ge=1, le=100)] = 3


class Job(Section):
    """Everything that decides the outcome of a run."""

    name: str
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    data: DataSection = DataSection()
    space: SpaceSection
    training: TrainingSection = TrainingSection()
    compression: CompressionSection = CompressionSection()
    device: DeviceSection = DeviceSection()
    fit: FitSection = FitSection()
    search: SearchSection = SearchSection()
    export: ExportSection = ExportSection()

    @field_validator("name")
    @classmethod
    def _is_a_folder_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise ValueError(f"must be letters, digits, '_', '-' and '.', got {name!r}")
        return name

    @model_validator(mode="after")
    def _leaves_are_of_the_whole(self) -> Job:
        name = self.search.searcher
        if SEARCHERS[name].of_leaves and (self.space.only or self.search.accuracy == "predicted"):
            raise ValueError(f"searcher {name!r} measures the whole space; leave out space.only and search.accuracy")
        return self

    @model_validator(mode="after")
    def _energy_needs_a_table(self) -> Job:
        if "energy_mj" in self.search.asked and self.device.table is None:
            raise ValueError("energy_mj needs a device.table that has it; this machine measures latency")
        return self


def load_job(path: Path, data: str | None = None) -> Job:
    """Reads a job file.

    Args:
        path: YAML.
        data: Replaces `data.source`, if given.

    Raises:
        ValueError: In one line: what is wrong, where, and what would do.
    """
    job = read_section(path, Job)
    return job if data is None else job.model_copy(update={"data": job.data.model_copy(update={"source": data})})
