"""Several workers on Ray learn what one process learns, survive the death of one, and refuse what it refuses."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from nas.cli.main import main
from nas.data.sources import DataSource
from nas.training.presets import preset
from nas.training.settings import Report, TrainingSettings, Watch
from nas.training.task import TrainingTask
from nas.training.team import Alone, Team
from nas.training.trainer import train_supernet
from search_spaces.elastic.registry import supernet
from search_spaces.joint_space import JointSpace
from search_spaces.registry import search_space

pytest.importorskip("ray")
from ray import cloudpickle

from nas.training.ray_train import train_on_ray

SPACE = JointSpace(search_space("resnet_digits", 1, 10))
SOURCE = DataSource("digits", 500)
STEPS_PER_EPOCH, STEPS, KILLED_AT = 8, 32, 13

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import a test


class Observed(TrainingTask):
    """Saves after every step, and makes sure at the end that all members have the same weights."""

    def carry_out(self, watch: Watch, team: Team | None = None) -> Path:
        assert team is not None
        assert torch.get_num_threads() == 1
        net, data = supernet(SPACE.architectures, self.seed), self.data.load()
        path = train_supernet(
            net, SPACE, data, self.schedule, self.settings, self.seed, self.folder, watch, team, checkpoint_s=0
        )
        own = torch.cat([parameter.detach().flatten() for parameter in net.parameters()])
        mean = own.clone()
        team.average([mean])
        if team.size != 2 or not torch.equal(own, mean):
            raise ValueError("the members of the team have different weights")
        return path


class Disturbed(Observed):
    """Once, the second worker dies in the middle."""

    def carry_out(self, watch: Watch, team: Team | None = None) -> Path:
        def dying(report: Report) -> None:
            mark = self.folder / "killed"
            if report.step == KILLED_AT and team is not None and team.rank == 1 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            watch(report)

        return super().carry_out(dying, team)


def task_in(folder: Path, kind: type[TrainingTask] = TrainingTask, seed: int = 3) -> TrainingTask:
    folder.mkdir()
    schedule = preset("sandwich", STEPS / STEPS_PER_EPOCH, 0.1, SPACE)
    return kind(SOURCE, "resnet_digits", ("w32a32",), schedule, TrainingSettings(batch_size=50), seed, folder)


@pytest.fixture(scope="module")
def two_workers(ray_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Report]]:
    """The checkpoint and the reports of two workers that nothing disturbed."""
    reports: list[Report] = []
    task = task_in(tmp_path_factory.mktemp("two") / "run", Observed)
    return train_on_ray(task, 2, ray_cluster, reports.append), reports


def test_two_workers_learn_what_one_learns(two_workers: tuple[Path, list[Report]], tmp_path: Path) -> None:
    by_seed: list[list[Report]] = [[], [], []]
    for number, reports in enumerate(by_seed):
        task_in(tmp_path / f"alone-{number}", seed=3 + number).carry_out(reports.append, Alone())
    alone, (_, together) = by_seed[0], two_workers
    assert [report.step for report in together] == [report.step for report in alone] == list(range(1, STEPS + 1))
    assert [set(report.accuracies) for report in together] == [set(report.accuracies) for report in alone]
    assert sum(bool(report.accuracies) for report in together) == STEPS // STEPS_PER_EPOCH
    one, other, another, two = (torch.tensor([report.loss for report in run]) for run in (*by_seed, together))
    late = slice(-STEPS // 3, None)
    assert one[late].mean() < one[0] - 0.5  # it learns
    assert abs(one[0] - two[0]) < 0.1
    # each worker normalises its own 25 images, so the curves run apart; by less than those of other seeds
    ends = [float(curve[late].mean()) for curve in (one, other, another)]
    assert abs(ends[0] - float(two[late].mean())) < max(ends) - min(ends)


def test_a_training_survives_a_killed_worker(
    two_workers: tuple[Path, list[Report]], ray_cluster: str, tmp_path: Path
) -> None:
    reports: list[Report] = []
    task = task_in(tmp_path / "killed", Disturbed)
    finished = train_on_ray(task, 2, ray_cluster, reports.append)
    assert sorted(path.name for path in task.folder.iterdir()) == ["killed", "supernet.safetensors"]
    steps = [report.step for report in reports]
    assert steps == sorted(set(steps))  # it went on from its checkpoint; reports of the last half second were lost
    assert set(steps) >= set(range(KILLED_AT + 1, STEPS + 1))
    expected, found = load_file(two_workers[0]), load_file(finished)
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def test_what_workers_cannot_do_is_one_line_of_the_program(
    ray_cluster: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = {
        "name": "odd",
        "data": {"source": "digits"},
        "space": {"name": "resnet_digits", "policies": ["w32a32"]},
        "training": {"batch_size": 25},
    }
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(job))
    command = ["nas", "train", str(tmp_path / "odd.yaml"), "--runs", str(tmp_path / "runs"), "--workers", "2"]
    for options, line in (
        (
            ["--ray"],
            "nas: batch_size 25 must be divisible by the 2 training workers; use 1 or 5 workers, or another "
            "batch_size\n",
        ),
        ([], "nas: --workers 2 needs --ray or --ray-address to train; without Ray one process trains on all threads\n"),
    ):
        monkeypatch.setattr(sys, "argv", [*command, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert capsys.readouterr().err == line


def test_more_workers_than_processors_are_refused(ray_cluster: str, tmp_path: Path) -> None:
    task = task_in(tmp_path / "run")
    with pytest.raises(ValueError, match=r"^9 training workers need as many CPUs, and the Ray cluster has 2; ask"):
        train_on_ray(task, 9, ray_cluster, [].append)
