"""A training as a description that can be sent to another process and run there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.data.sources import DataSource
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.tensor_files import read_header
from nas.training.checkpoint import load_checkpoint
from nas.training.checkpoint_header import REMEDY, WITHOUT_DIGEST
from nas.training.distributed.team import SingleProcess, Team
from nas.training.plan import TrainingExecution, TrainingPlan
from nas.training.progress import StepCallback
from nas.training.trainer import train_supernet
from search_spaces.elastic.supernet import build_supernet


@dataclass(frozen=True)
class TrainingTask:
    """Everything that decides the outcome of a training, and the folder of its checkpoints.

    Attributes:
        data: The source of the images.
        plan: The space, the schedule and the settings; the seed of the plan also initialises fresh weights.
        folder: The folder of the checkpoints; it exists, and all workers see it.
        start: A checkpoint whose weights are trained further; None starts with fresh weights.
        watched: What is measured of a few subnets meanwhile; None is the headline metric of the task.
    """

    data: DataSource
    plan: TrainingPlan
    folder: Path
    start: Path | None = None
    watched: MeasuredMetric | None = None

    def carry_out(self, on_step: StepCallback, team: Team | None = None) -> Path:
        """Trains, or resumes an interrupted training; returns the path of the finished checkpoint.

        Args:
            on_step: Called after every step.
            team: The processes that train together; None is this process alone.

        Raises:
            ValueError: If the data or the checkpoint to start from cannot be used, or as `train_supernet` describes.
        """
        supernet = build_supernet(self.plan.space.architectures, self.plan.seed)
        if self.start is not None:
            load_checkpoint(self.start, supernet)
        execution = TrainingExecution(team or SingleProcess(), watched=self.watched)
        return train_supernet(supernet, self.data.load(), self.plan, self.folder, on_step, execution)

    def check_finished(self, path: Path) -> None:
        """Makes sure that a checkpoint is the end of this training, and whole.

        Args:
            path: The finished checkpoint.

        Raises:
            ValueError: If it is damaged, or of another training, or carries no digest that would tell.
        """
        state = load_checkpoint(path, build_supernet(self.plan.space.architectures, self.plan.seed))
        if read_header(path, "checkpoint", REMEDY)["version"] == WITHOUT_DIGEST:
            raise ValueError(f"{path} carries no digest, so nobody knows whether it is whole; {REMEDY}")
        if state.plan != self.plan.identity:
            raise ValueError(f"{path} is of a training by another schedule, settings, policies or seed; {REMEDY}")
