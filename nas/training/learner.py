"""What a training changes: the supernet, its optimiser, its teacher and the chances of policies.

In: a supernet and settings. Out: the same, changed in structure between steps, and as a checkpoint. Knows no schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.training.bit_sampling.policy_probabilities import Odds
from nas.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from nas.training.settings import TrainingSettings
from nas.training.step.optimizer import make_optimizer, optimizer_state
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
        odds: Chances of policies by number of the gene; empty where they are uniform.
    """

    optimizer: torch.optim.Optimizer
    parameters: list[nn.Parameter]

    def __init__(self, supernet: Supernet, settings: TrainingSettings, device: torch.device) -> None:
        self.supernet, self._settings, self._device = supernet, settings, device
        self.memory_format = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.teacher: nn.Module | None = None
        self.odds: Odds = {}
        self._place({})

    def learn_weight_steps(self, lowest_bits: int) -> None:
        """Gives all layers learnt quantisation steps, unless they have them."""
        if not self.supernet.learns_weight_steps:
            state = optimizer_state(self.optimizer, self.supernet)
            self.supernet.learn_weight_steps(lowest_bits)
            self._place(state)

    def sort_channels(self, trained: Subspace | None) -> None:
        """Sorts channels by importance; the optimiser starts afresh: most of its state belongs to the old order."""
        self.supernet.sort_channels(trained)
        self._place({})

    def split(self, parts: list[tuple[int, Subspace]]) -> None:
        """Replaces the leaves; the new ones inherit weights and the optimiser's state."""
        state = optimizer_state(self.optimizer, self.supernet)
        self.supernet.split(parts)
        self._place(
            {
                f"leaves.{child}.{name}": tensor
                for child, (parent, _) in enumerate(parts)
                for name, tensor in _below(f"leaves.{parent}.", state).items()
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

    def save(self, path: Path, step: int, identity: str) -> None:
        """Writes everything that a training needs to go on."""
        state = optimizer_state(self.optimizer, self.supernet)
        tensors = {f"{_OPTIMIZER}{name}": tensor for name, tensor in state.items()}
        if self.teacher is not None:
            tensors |= {f"{_TEACHER}{name}": tensor for name, tensor in self.teacher.state_dict().items()}
        save_checkpoint(path, self.supernet, TrainingState(step, identity, tensors, self.odds))

    def load(self, path: Path, identity: str, largest: Candidate) -> int:
        """Reads what `save` wrote; returns the number of finished steps.

        Raises:
            ValueError: If the file is damaged, or of another training.
        """
        state = load_checkpoint(path, self.supernet)
        if state.schedule != identity:
            raise ValueError(
                f"{path} is a training by another schedule, settings, policies or seed; put those back to go on "
                "with it, or use another folder"
            )
        teacher = _below(_TEACHER, state.tensors)
        if teacher:
            self.copy_teacher(largest)
            assert self.teacher is not None
            self.teacher.load_state_dict(teacher)
        self.odds = dict(state.odds)
        self._place(_below(_OPTIMIZER, state.tensors))
        return state.step

    def _place(self, state: Mapping[str, Tensor]) -> None:
        """Puts the supernet into its mode, device and memory format; makes an optimiser for its present parameters."""
        self.supernet.train().to(device=self._device, memory_format=self.memory_format)  # type: ignore[call-overload]
        settings = self._settings
        self.parameters = list(self.supernet.parameters())
        self.optimizer = make_optimizer(self.supernet, settings.optimizer, settings.weight_decay, state)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
