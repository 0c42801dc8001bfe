"""A training as a description that can be sent to another process, and carried out there.

In: names, paths and literal numbers. Out: a trained checkpoint. Knows no job file and no cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.data.sources import DataSource
from nas.training.checkpoint import load_checkpoint
from nas.training.distributed.team import Team
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings, Watch
from nas.training.trainer import train_supernet
from search_spaces.candidate import Candidate
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace


@dataclass(frozen=True)
class TrainingTask:
    """Everything that decides the outcome of a training.

    Attributes:
        data: The images.
        space: What is trained, with the policies that layers may take.
        schedule: The phases.
        settings: What holds in all of them.
        seed: Of the initial weights and of all random choices.
        folder: Where the checkpoints go; exists, and is the same for all workers.
        start: A checkpoint whose weights are trained further; None starts with fresh ones.
        only: The one candidate that is trained; None trains what the phases open.
    """

    data: DataSource
    space: JointSpace
    schedule: Schedule
    settings: TrainingSettings
    seed: int
    folder: Path
    start: Path | None = None
    only: Candidate | None = None

    def carry_out(self, watch: Watch, team: Team | None = None) -> Path:
        """Trains, or goes on where a killed training stopped; returns the finished checkpoint.

        Args:
            watch: Called after every step.
            team: Who trains together; None is this process alone.
        """
        data = self.data.load()
        net = build_supernet(self.space.architectures, self.seed)
        if self.start is not None:
            load_checkpoint(self.start, net)
        return train_supernet(
            net, self.space, data, self.schedule, self.settings, self.seed, self.folder, watch, team, self.only
        )
