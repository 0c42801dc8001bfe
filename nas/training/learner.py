"""The state that a training changes, and how it is stored: the supernet, its optimiser and the teacher."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.training.bit_sampling.policy_probabilities import PolicyProbabilities
from nas.training.checkpoint import TrainingState, check_fit, load_checkpoint, save_checkpoint
from nas.training.checkpoint_header import REMEDY
from nas.training.settings import TrainingSettings
from nas.training.step.batches import get_memory_format
from nas.training.step.optimizer import create_optimizer, list_optimizer_state, read_optimizer_state
from search_spaces.candidate import Candidate
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.supernet import Supernet
from search_spaces.quoting import quote_name
from search_spaces.subspace import Subspace

_OPTIMIZER, _TEACHER = "optimizer/", "teacher/"


class Learner:
    """A supernet in training, with its optimiser and its teacher.

    Args:
        supernet: The supernet; it is moved to the device.
        settings: Settings of the training; the optimiser, the weight decay and the memory format are read.
        device: The torch device to train on.

    Attributes:
        supernet: The supernet.
        parameters: Its present parameters; others replace them when it is split or learns quantisation steps.
        optimizer: The optimiser of these parameters.
        teacher: The frozen largest network; None until `copy_teacher` is called.
        policy_probabilities: The probabilities of the policies of a layer, by the index of its policy gene; empty where
            policies are drawn uniformly.
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
            lowest_bits: The fewest bits that are trained; the steps start so that codes of these bits reach the largest
                weight.
        """
        if not self.supernet.learns_weight_steps:
            state = read_optimizer_state(self.optimizer, self.supernet)
            self.supernet.learn_weight_steps(lowest_bits)
            self._prepare(state)

    def sort_channels(self, trained: Subspace | None) -> None:
        """Sorts channels by importance, and starts the optimiser afresh, as its state belongs to the old order.

        Args:
            trained: The part of the space that was trained before; its subnets keep their channels, and so what they
                have learnt. None if only the largest network was trained.
        """
        self.supernet.sort_channels(trained)
        self._prepare({})

    def split_leaves(self, new_leaves: list[tuple[int, Subspace]]) -> None:
        """Replaces the leaves; the new ones inherit the weights and the optimiser's state of their parents.

        Args:
            new_leaves: For each new leaf the index of its parent and the part of the space that it serves.
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
        """Whether every parameter is finite: neither infinite nor NaN."""
        return all(bool(parameter.isfinite().all()) for parameter in self.parameters)

    def save(self, path: Path, step: int, plan: str) -> None:
        """Writes everything that a training needs to go on.

        Args:
            path: The file; an existing one is replaced.
            step: Number of finished steps.
            plan: The plan of the training as text, `TrainingPlan.identity`.

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
            path: A file that `save` wrote.
            plan: The plan of the training as text; the stored plan must be equal.
            largest: The largest network of the space, which the teacher is a copy of.

        Raises:
            ValueError: If the file is damaged, of another space, was written by a training with another plan, or holds
                other tensors of the optimiser or the teacher than these have.
        """
        state = load_checkpoint(path, self.supernet)
        if state.plan != plan:
            raise ValueError(
                f"{path} is a training by another schedule, settings, policies or seed; put those back to go on "
                "with it, or use another folder"
            )
        if strange := [name for name in state.tensors if not name.startswith((_OPTIMIZER, _TEACHER))]:
            raise ValueError(f"{path} holds tensors of no use, such as training/{quote_name(strange[0])}; {REMEDY}")
        teacher, optimizer = _select(_TEACHER, state.tensors), _select(_OPTIMIZER, state.tensors)
        trained = {key.rpartition("/")[0] for key in optimizer}  # parameters without a gradient yet have no state
        known = list_optimizer_state(self.supernet, self._settings.optimizer)
        expected = {key: tensor for key, tensor in known.items() if key.rpartition("/")[0] in trained}
        check_fit(path, "the optimiser", expected, optimizer)
        if teacher:
            self.copy_teacher(largest)
            assert self.teacher is not None
            check_fit(path, "the teacher", self.teacher.state_dict(), teacher)
            self.teacher.load_state_dict(teacher)
        self.policy_probabilities = dict(state.policy_probabilities)
        self._prepare(optimizer)
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
