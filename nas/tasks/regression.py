"""Regression: every sample has one number or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.tasks.numbers import encode_numbers, group_by_quantile
from nas.tasks.task import EncodedLabels, RawLabels, Task

_STRATA = 10  # groups of neighbouring labels: every split then has its share of small and of large ones
_ONLY_OUTPUT = "target"


@dataclass(frozen=True)
class Regression(Task):
    """Labels are finite numbers; networks learn them in units of their spread, and give them in their own.

    While a network is in training its outputs are distances from the mean of the training labels in units of their
    standard deviation, so that neither the learning rate nor the range of a quantiser depends on the unit of labels.
    `finish_network` turns them back, after the last quantiser.

    Attributes:
        mean: Mean of the training labels, for each output; 0 for all while it is empty.
        std: Their standard deviation, for each output; 1 for all while it is empty.
    """

    name: ClassVar[str] = "regression"
    headline: ClassVar[str] = "mean_absolute_error"

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def encode(self, splits: Sequence[RawLabels], names: tuple[str, ...] | None) -> EncodedLabels:
        """Numbers, float32, shape (n, outputs), and a name of each output.

        Names that are stated count where there is one for each output; class names of another layout are left aside.

        Raises:
            ValueError: If a label is missing, not a number, of another length than the others, or not finite.
        """
        labels = encode_numbers(splits)
        count = labels[0].shape[1]
        if names is None or len(names) != count:
            names = (_ONLY_OUTPUT,) if count == 1 else tuple(map(str, range(count)))
        return EncodedLabels(labels, names)

    def find_strata(self, labels: Tensor) -> Tensor:
        """Tenths of the samples by their labels."""
        return group_by_quantile(labels, _STRATA)

    def check_training(self, labels: Tensor, names: Sequence[str]) -> None:
        """The labels of every output differ.

        Raises:
            ValueError: If not; the output is named.
        """
        for name, column in zip(names, labels.T, strict=True):
            if not bool((column != column[0]).any()):
                raise ValueError(
                    f"the labels of the training samples must differ, and all of {name!r} are {float(column[0]):g}; "
                    "leave it out, or add samples"
                )

    def fit(self, labels: Tensor) -> Regression:
        """The task with mean and standard deviation of the training labels."""
        values = labels.double()
        return replace(self, mean=tuple(values.mean(0).tolist()), std=tuple(values.std(0, correction=0).tolist()))

    def compute_loss(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:  # noqa: ARG002
        """The mean squared error in units of the variance of the training labels; 1 for a network that says nothing."""
        mean, std = self._scale(labels.device)
        return F.mse_loss(outputs, (labels - mean) / std)

    def finish_network(self, network: nn.Module) -> nn.Module:
        """The network with outputs in the unit of the labels."""
        return RescaledNetwork(network, *self._scale(torch.device("cpu"))) if self.std else network

    def _scale(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the training labels, each of shape (outputs,) or (1,)."""
        mean, std = self.mean or (0.0,), self.std or (1.0,)
        return torch.tensor(mean, device=device), torch.tensor(std, device=device)


REGRESSION = Regression()


class RescaledNetwork(nn.Module):
    """A network whose outputs are multiplied and shifted, in floating point, after all its quantisers.

    Args:
        network: From inputs to outputs, shape (batch, outputs).
        offset: What is added to each output, shape (outputs,).
        scale: What each output is multiplied with before that, shape (outputs,).
    """

    offset: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, offset: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("offset", offset)
        self.register_buffer("scale", scale)
        self.train(network.training)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs in the unit of the labels, shape (batch, outputs)."""
        outputs: Tensor = self.network(inputs)
        return outputs * self.scale + self.offset

    def standardize(self, outputs: Tensor) -> Tensor:
        """Outputs as the network gives them before they are rescaled, shape (batch, outputs)."""
        return (outputs - self.offset) / self.scale
