"""What a training changes: the supernet, its optimiser and the teacher, and how all of it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.training.bit_sampling.policy_probabilities import PolicyProbabilities
from nas.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from nas.training.settings import TrainingSettings
from nas.training.step.batches import get_memory_format
from nas.training.step.optimizer import create_optimizer, read_optimizer_state
from search_spaces.candidate import Candidate
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.supernet import Supernet
from search_spaces.subspace import Subspace

_OPTIMIZER, _TEACHER = "optimizer/", "teacher/"


class Learner:
    """A supernet in training.

    Args:
        supernet: Moved to the device.
        settings: Optimiser and memory format.
        device: Where it is trained.

    Attributes:
        supernet: The supernet.
        parameters: What it learns, at present.
        optimizer: For these parameters.
        teacher: The frozen largest network, once it was copied.
        policy_probabilities: Of the policies, for the number of a gene; empty where they are uniform.
    """

    optimizer: torch.optim.Optimizer
    parameters: list[nn.Parameter]

    def __init__(self, supernet: Supernet, settings: TrainingSettings, device: torch.device) -> None:
        self.supernet, self._settings, self._device = supernet, settings, device
        self.teacher: nn.Module | None = None
        self.policy_probabilities: PolicyProbabilities = {}
        self._prepare({})

    def learn_weight_steps(self, lowest_bits: int) -> None:
        """Gives all layers learnt quantisation steps, unless they have them.

        Args:
            lowest_bits: The fewest that are trained; the steps start so that these reach the largest weight.
        """
        if not self.supernet.learns_weight_steps:
            state = read_optimizer_state(self.optimizer, self.supernet)
            self.supernet.learn_weight_steps(lowest_bits)
            self._prepare(state)

    def sort_channels(self, trained: Subspace | None) -> None:
        """Sorts channels by importance; the optimiser starts afresh: most of its state belongs to the old order.

        Args:
            trained: Its subnets keep their channels, and so what they have learnt; None if only the largest network
                was trained.
        """
        self.supernet.sort_channels(trained)
        self._prepare({})

    def split_leaves(self, new_leaves: list[tuple[int, Subspace]]) -> None:
        """Replaces the leaves; the new ones inherit the weights and the optimiser's state of their parents.

        Args:
            new_leaves: Of each its parent's number and the part of the space that it serves.
        """
        state = read_optimizer_state(self.optimizer, self.supernet)
        self.supernet.split(new_leaves)
        self._prepare(
            {
                f"leaves.{child}.{name}": tensor
                for child, (parent, _) in enumerate(new_leaves)
                for name, tensor in _select(f"leaves.{parent}.", state).items()
            }
        )

    def copy_teacher(self, largest: Candidate) -> None:
        """Freezes a copy of the largest network, which normalises by the statistics of each batch."""
        teacher = self.supernet.extract(largest.architecture, largest.policy).requires_grad_(False)
        for layer in teacher.modules():
            if isinstance(layer, Layer):
                layer.log_weight_step = None  # it runs in floating point
        self.teacher = teacher.to(self._device).train()

    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        return all(bool(parameter.isfinite().all()) for parameter in self.parameters)

    def save(self, path: Path, step: int, plan: str) -> None:
        """Writes everything that a training needs to go on.

        Args:
            path: The file.
            step: Finished steps.
            plan: What the training follows, as `TrainingPlan.identity` gives it.

        Raises:
            OSError: If the file cannot be written.
        """
        state = read_optimizer_state(self.optimizer, self.supernet)
        tensors = {f"{_OPTIMIZER}{name}": tensor for name, tensor in state.items()}
        if self.teacher is not None:
            tensors |= {f"{_TEACHER}{name}": tensor for name, tensor in self.teacher.state_dict().items()}
        save_checkpoint(path, self.supernet, TrainingState(step, plan, tensors, self.policy_probabilities))

    def load(self, path: Path, plan: str, largest: Candidate) -> int:
        """Reads what `save` wrote; returns the number of finished steps.

        Args:
            path: The file.
            plan: What the training follows; the stored one must be the same.
            largest: The largest network, whose copy the teacher is.

        Raises:
            ValueError: If the file is damaged, or of another training.
        """
        state = load_checkpoint(path, self.supernet)
        if state.plan != plan:
            raise ValueError(
                f"{path} is a training by another schedule, settings, policies or seed; put those back to go on "
                "with it, or use another folder"
            )
        teacher = _select(_TEACHER, state.tensors)
        if teacher:
            self.copy_teacher(largest)
            assert self.teacher is not None
            self.teacher.load_state_dict(teacher)
        self.policy_probabilities = dict(state.policy_probabilities)
        self._prepare(_select(_OPTIMIZER, state.tensors))
        return state.step

    def _prepare(self, state: Mapping[str, Tensor]) -> None:
        """Puts the supernet into its mode, device and memory format; makes an optimiser for its present parameters."""
        memory_format = get_memory_format(self._settings)
        self.supernet.train().to(device=self._device, memory_format=memory_format)  # type: ignore[call-overload]
        settings = self._settings
        self.parameters = list(self.supernet.parameters())
        self.optimizer = create_optimizer(self.supernet, settings.optimizer, settings.weight_decay, state)


def _select(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names have a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
