"""Quantisers of weights: their contract, the reference quantiser, and the layout in which they read weights.

A quantiser only chooses steps; `search_spaces.elastic.quantizers` rounds, and exporters store codes, for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution

SMALLEST_STEP = 1e-12  # keeps the step of a channel of zeros positive


class Quantizer(ABC):
    """Chooses the grid of a weight: symmetric, one step per output channel.

    A weight w becomes `step * clip(round(w / step), -(2^(bits-1) - 1), 2^(bits-1) - 1)`. Tests hold all
    quantisers to this contract. A step is positive and finite, also for a channel of zeros. It depends on the weights
    of its own channel alone, scales with them, and stays the same if all their signs change. So codes stay the same
    when a batch normalisation is folded into a weight, or a subnet's channels are cut out of it. More bits give no
    larger error, and 8 bits round normally distributed weights with less than 1 % of noise. Quantisers are frozen
    dataclasses, which are pickled to workers.
    """

    @abstractmethod
    def steps(self, weight: Tensor, bits: int) -> Tensor:
        """The step of every output channel, shape (out,), without a gradient.

        Args:
            weight: Shape (out, ...).
            bits: Bits of a code, from 2 to 8.
        """


@dataclass(frozen=True)
class MaxAbsSteps(Quantizer):
    """The reference: the largest weight of a channel takes the largest code, so nothing is clipped."""

    def steps(self, weight: Tensor, bits: int) -> Tensor:
        """The largest absolute weight over the largest code."""
        largest = weight.detach().abs().flatten(1).amax(1)
        return (largest / (2 ** (bits - 1) - 1)).clamp_min(SMALLEST_STEP)


def to_step_rows(weight: Tensor, group_size: int | None) -> Tensor:
    """A weight in which each row has a step of its own: it is quantised as a weight with so many output channels.

    Args:
        weight: Shape (out, in, ...).
        group_size: Consecutive input channels that share a step; None if an output channel has one step.

    Returns:
        The weight itself, or shape (out * in / group_size, group_size, ...): the groups of the first output channel,
        those of the second, and so on.
    """
    return weight if group_size is None else weight.reshape(-1, group_size, *weight.shape[2:])


def to_output_first(weight: Tensor, operator: Operator) -> Tensor:
    """A stored weight with its output channels first; only transposed convolutions store their weight otherwise.

    Args:
        weight: Shape `operator.parameter_shapes["weight"]`.
        operator: The operator of the weight.

    Returns:
        Shape `operator.weight_shape`.
    """
    if not isinstance(operator, Convolution) or not operator.transposed:
        return weight
    inputs, outputs, *kernel = weight.shape
    grouped = weight.reshape(operator.groups, inputs // operator.groups, outputs, *kernel).transpose(1, 2)
    return grouped.reshape(operator.weight_shape)


def to_stored_layout(weight: Tensor, operator: Operator) -> Tensor:
    """The inverse of `to_output_first`.

    Args:
        weight: Shape `operator.weight_shape`.
        operator: The operator of the weight.

    Returns:
        Shape `operator.parameter_shapes["weight"]`.
    """
    if not isinstance(operator, Convolution) or not operator.transposed:
        return weight
    outputs, inputs, *kernel = weight.shape
    grouped = weight.reshape(operator.groups, outputs // operator.groups, inputs, *kernel).transpose(1, 2)
    return grouped.reshape(operator.parameter_shapes["weight"])
