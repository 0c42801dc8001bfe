"""A few digits, small spaces, and how to train their supernets on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nas.data.sources import load_images
from nas.data.splits import DataSplits
from nas.training.checkpoint import load_checkpoint
from nas.training.plan import TrainingExecution, TrainingPlan
from nas.training.progress import StepReport
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings
from nas.training.trainer import train_supernet
from search_spaces.candidate import Candidate
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SETTINGS = TrainingSettings(batch_size=50)
FOREVER = 1e9


class Killed(Exception):
    """Ends a training from outside."""


@dataclass(frozen=True)
class Lab:
    """Trainings of one space on 150 digits, three steps per epoch."""

    space: JointSpace
    data: DataSplits

    def supernet(self, seed: int = 0) -> Supernet:
        return build_supernet(self.space.architectures, seed)

    def plan(
        self,
        schedule: Schedule,
        settings: TrainingSettings = SETTINGS,
        seed: int = 5,
        only: Candidate | None = None,
    ) -> TrainingPlan:
        return TrainingPlan(self.space, schedule, settings, seed, only)

    def train(
        self,
        folder: Path,
        schedule: Schedule,
        settings: TrainingSettings = SETTINGS,
        seed: int = 5,
        only: Candidate | None = None,
        kill_at: int = 0,
        checkpoint_s: float = FOREVER,
        watch: Callable[[int], object] = lambda _: None,
    ) -> list[StepReport]:
        """Trains a fresh supernet, or goes on; dies in call `kill_at` of its callback, which tells `watch` the step."""
        reports: list[StepReport] = []

        def on_step(report: StepReport) -> None:
            reports.append(report)
            watch(report.step)
            if len(reports) == kill_at:
                raise Killed

        folder.mkdir(exist_ok=True)
        plan, execution = self.plan(schedule, settings, seed, only), TrainingExecution(checkpoint_s=checkpoint_s)
        with suppress(Killed):
            train_supernet(self.supernet(), self.data, plan, folder, on_step, execution)
        return reports

    def trained(self, folder: Path, schedule: Schedule, settings: TrainingSettings = SETTINGS) -> Supernet:
        """A supernet at the end of a schedule."""
        self.train(folder, schedule, settings)
        return self.loaded(folder / "supernet.safetensors")

    def loaded(self, path: Path) -> Supernet:
        net = self.supernet(seed=99)
        load_checkpoint(path, net)
        return net


@pytest.fixture(scope="session")
def few_digits() -> DataSplits:
    digits = load_images("digits")
    return replace(digits, train=digits.train.take(slice(0, 150)), validation=digits.validation.take(slice(0, 50)))


@pytest.fixture(scope="session")
def lab(few_digits: DataSplits) -> Callable[..., Lab]:
    def make(name: str, policies: Sequence[str] = ("w32a32",)) -> Lab:
        return Lab(JointSpace(create_space(name, 1, 10), PolicySpace.parse(policies)), few_digits)

    return make
