"""A training as a description that can be sent to another process, and carried out there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.data.sources import DataSource
from nas.training.checkpoint import load_checkpoint
from nas.training.distributed.team import SingleProcess, Team
from nas.training.plan import TrainingExecution, TrainingPlan
from nas.training.progress import StepCallback
from nas.training.trainer import train_supernet
from search_spaces.elastic.supernet import build_supernet


@dataclass(frozen=True)
class TrainingTask:
    """Everything that decides the outcome of a training, and where it goes.

    Attributes:
        data: Where the images come from.
        plan: What is trained, and by which rules; its seed is that of fresh weights, too.
        folder: Where the checkpoints go; exists, and is the same for all workers.
        start: A checkpoint whose weights are trained further; None starts with fresh ones.
    """

    data: DataSource
    plan: TrainingPlan
    folder: Path
    start: Path | None = None

    def carry_out(self, on_step: StepCallback, team: Team | None = None) -> Path:
        """Trains, or goes on where a killed training stopped; returns the finished checkpoint.

        Args:
            on_step: Called after every step.
            team: Who trains together; None is this process alone.

        Raises:
            ValueError: As `train_supernet` does.
        """
        supernet = build_supernet(self.plan.space.architectures, self.plan.seed)
        if self.start is not None:
            load_checkpoint(self.start, supernet)
        execution = TrainingExecution(team or SingleProcess())
        return train_supernet(supernet, self.data.load(), self.plan, self.folder, on_step, execution)
