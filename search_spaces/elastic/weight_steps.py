"""Quantisers of weights: the contract that all keep, the reference, and the layout in which they see weights.

A quantiser only chooses steps; `search_spaces.elastic.quantizers` rounds, and exporters store codes, for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution

SMALLEST_STEP = 1e-12


class Quantizer(ABC):
    """Chooses the grid of a weight: symmetric, one step per output channel.

    A weight w becomes `step * clip(round(w / step), -(2^(bits-1) - 1), 2^(bits-1) - 1)`. The contract, kept by tests
    over all quantisers: a step is positive and finite, also of a channel of zeros; it depends on the weights of its
    own channel alone, scales with them, and is that of their opposites. Then folding a batch normalisation into a
    weight, and cutting a subnet's channels out of it, change no code. More bits round no worse, and 8 of them normal
    weights with less than 1 % of noise. Quantisers are frozen values: they travel to workers.
    """

    @abstractmethod
    def steps(self, weight: Tensor, bits: int) -> Tensor:
        """The step of every output channel, shape (out,), without a gradient.

        Args:
            weight: Shape (out, ...).
            bits: Of a code, from 2 to 8.
        """


@dataclass(frozen=True)
class MaxAbsSteps(Quantizer):
    """The reference: the largest weight of a channel takes the largest code, so nothing is clipped."""

    def steps(self, weight: Tensor, bits: int) -> Tensor:
        """The largest absolute weight over the largest code."""
        largest = weight.detach().abs().flatten(1).amax(1)
        return (largest / (2 ** (bits - 1) - 1)).clamp_min(SMALLEST_STEP)


def to_output_first(weight: Tensor, operator: Operator) -> Tensor:
    """A stored weight with its output channels first, as quantisers and importances want it.

    Only that of a transposed convolution is stored otherwise.

    Args:
        weight: Shape `operator.parameter_shapes["weight"]`.
        operator: What it is the weight of.

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
        operator: What it is the weight of.

    Returns:
        Shape `operator.parameter_shapes["weight"]`.
    """
    if not isinstance(operator, Convolution) or not operator.transposed:
        return weight
    outputs, inputs, *kernel = weight.shape
    grouped = weight.reshape(operator.groups, outputs // operator.groups, inputs, *kernel).transpose(1, 2)
    return grouped.reshape(operator.parameter_shapes["weight"])
