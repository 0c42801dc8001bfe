"""A task travels to another process, and trains there what it would have trained here."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nas.data.sources import DataSource
from nas.training.plan import TrainingPlan
from nas.training.progress import StepReport, ignore_step
from nas.training.schedules.phase import Phase
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings
from nas.training.task import TrainingTask
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))


def task(folder: Path, learning_rate: float = 0.1, start: Path | None = None) -> TrainingTask:
    folder.mkdir()
    schedule = Schedule((Phase("p", 1, learning_rate),))
    return TrainingTask(DataSource("digits", 80), TrainingPlan(SPACE, schedule, TrainingSettings(32)), folder, start)


def test_a_task_is_carried_out_alike_wherever_it_is_sent(tmp_path: Path) -> None:
    here, there, steps = task(tmp_path / "here"), task(tmp_path / "there"), list[StepReport]()
    paths = [here.carry_out(steps.append), pickle.loads(pickle.dumps(there)).carry_out(ignore_step)]
    assert [report.step for report in steps] == [1, 2]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("fresh", [True, False])
def test_it_starts_with_fresh_weights_or_those_of_a_checkpoint(tmp_path: Path, fresh: bool) -> None:
    start = task(tmp_path / "start").carry_out(ignore_step)
    still = task(tmp_path / "still", 1e-30, None if fresh else start).carry_out(ignore_step)  # changes no weight
    expected = build_supernet(SPACE.architectures, 0).state_dict() if fresh else load_file(start)
    name = "leaves.0.network.stem.op.weight"
    torch.testing.assert_close(load_file(still)[name], expected[name])
