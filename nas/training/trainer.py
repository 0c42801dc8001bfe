"""Training of a supernet: the full network first, then all subnets by the sandwich rule.

In: a supernet, images and settings. Out: trained weights, in place and as a checkpoint that resumes exactly.
Knows no policy, no search and no job file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.data.images import ImageData, augment, shuffled_batches
from nas.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from nas.training.sandwich import accumulate_gradients, sandwich
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace

Progress = Callable[[int, str], None]  # steps done, the loss to show


@dataclass(frozen=True)
class TrainingSettings:
    """How a supernet is trained.

    Attributes:
        full_epochs: Epochs of the largest network alone; its channels are then sorted by importance.
        sandwich_epochs: Epochs of the sandwich rule over all subnets.
        batch_size: Images per step.
        learning_rate: Peak of the cosine law of each phase.
        weight_decay: L2 penalty on weights, not on normalisation and biases.
        label_smoothing: Of the label loss.
        random_subnets: Subnets per step besides the largest and the smallest.
        flip: Whether training images may be mirrored.
    """

    full_epochs: int
    sandwich_epochs: int
    batch_size: int = 64
    learning_rate: float = 0.1
    weight_decay: float = 3e-5
    label_smoothing: float = 0.1
    random_subnets: int = 2
    flip: bool = False


def train_supernet(
    supernet: Supernet,
    data: ImageData,
    settings: TrainingSettings,
    seed: int,
    folder: Path,
    progress: Progress = lambda _done, _note: None,
) -> Path:
    """Trains a supernet, or goes on where a killed training stopped.

    All random choices derive from (seed, epoch), so a resumed training makes the same ones.

    Args:
        supernet: Trained in place.
        data: Only its training images are seen.
        settings: The schedule.
        seed: Of batches, augmentation and subnets.
        folder: Receives `training.safetensors` after every epoch and `supernet.safetensors` at the end.
        progress: Called after every step.

    Returns:
        The path of the finished checkpoint.
    """
    trainer = _Trainer(supernet, data, settings, seed, folder, progress)
    for epoch in range(trainer.resume(), trainer.epochs):
        trainer.train_epoch(epoch)
    finished = folder / "supernet.safetensors"
    save_checkpoint(finished, supernet, TrainingState(trainer.epochs, trainer.schedule))
    trainer.unfinished.unlink(missing_ok=True)
    return finished


class _Trainer:
    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        settings: TrainingSettings,
        seed: int,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.supernet, self.data, self.settings, self.seed, self.progress = supernet, data, settings, seed, progress
        self.space = JointSpace(supernet.space)
        self.normalization = data.normalization()
        self.unfinished = folder / "training.safetensors"
        self.schedule = f"{settings}, seed {seed}"
        self.epochs = settings.full_epochs + settings.sandwich_epochs
        self.steps = len(data.train) // settings.batch_size
        if self.steps == 0:
            raise ValueError(f"batch_size {settings.batch_size} exceeds the {len(data.train)} training images")
        self.optimizer = self._fresh_optimizer()

    def resume(self) -> int:
        """Loads the unfinished training, if there is one; returns the epoch to go on with."""
        if not self.unfinished.exists():
            return 0
        state = load_checkpoint(self.unfinished, self.supernet)
        if state.schedule != self.schedule:
            raise ValueError(
                f"{self.unfinished} is a training by {state.schedule}, not by {self.schedule}; use another folder"
            )
        parameters = dict(self.supernet.named_parameters())
        for name, tensor in state.momentum.items():
            self.optimizer.state[parameters[name]]["momentum_buffer"] = tensor
        return state.epochs

    def train_epoch(self, epoch: int) -> None:
        settings = self.settings
        full = epoch < settings.full_epochs
        if epoch == settings.full_epochs > 0:
            self.supernet.sort_channels()
            self.optimizer = self._fresh_optimizer()  # momentum belongs to the old channel order
        rng = np.random.default_rng([self.seed, epoch])
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        self.supernet.train()
        for step, batch in enumerate(shuffled_batches(self.data.train, settings.batch_size, generator)):
            resolution = self._resolution(rng)
            architectures = sandwich(self.space, resolution, settings.random_subnets, rng)
            inputs = self.normalization.inputs(augment(batch.images, generator, settings.flip), resolution)
            for group in self.optimizer.param_groups:
                group["lr"] = self._learning_rate(epoch, step)
            self.optimizer.zero_grad()
            chosen = architectures[:1] if full else architectures
            loss = accumulate_gradients(self.supernet, chosen, inputs, batch.labels, settings.label_smoothing)
            if not math.isfinite(loss):
                raise ValueError(f"the loss became {loss} in epoch {epoch + 1}; lower training.learning_rate")
            self.optimizer.step()
            self.progress(epoch * self.steps + step + 1, f"loss {loss:.3f}")
        state = TrainingState(epoch + 1, self.schedule, self._momentum())
        save_checkpoint(self.unfinished, self.supernet, state)

    def _resolution(self, rng: np.random.Generator) -> int:
        drawn = self.space.sample(rng, 1)[0]
        return drawn.architecture.resolution

    def _learning_rate(self, epoch: int, step: int) -> float:
        """Cosine law over each phase, with a linear warm-up over the first epoch of the training."""
        full = self.settings.full_epochs
        first, length = (0, full) if epoch < full else (full, self.settings.sandwich_epochs)
        position = (epoch - first + step / self.steps) / length
        warm_up = min(1.0, (epoch * self.steps + step + 1) / self.steps)
        return self.settings.learning_rate * warm_up * (1 + math.cos(math.pi * position)) / 2

    def _fresh_optimizer(self) -> torch.optim.SGD:
        parameters = dict(self.supernet.named_parameters())
        decayed = [p for name, p in parameters.items() if name.endswith("op.weight")]
        others = [p for name, p in parameters.items() if not name.endswith("op.weight")]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": self.settings.weight_decay},
            {"params": others},
        ]
        return torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True)

    def _momentum(self) -> dict[str, Tensor]:
        state = self.optimizer.state
        return {
            name: state[parameter]["momentum_buffer"]
            for name, parameter in self.supernet.named_parameters()
            if "momentum_buffer" in state.get(parameter, {})
        }
