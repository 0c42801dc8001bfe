"""Weights with their output channels first, as quantisers and importances want them, and back as torch stores them."""

from __future__ import annotations

from torch import Tensor

from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution


def output_first(weight: Tensor, operator: Operator) -> Tensor:
    """A stored weight in the shape `operator.weight_shape`; only that of a transposed convolution is another one."""
    if not isinstance(operator, Convolution) or not operator.transposed:
        return weight
    inputs, outputs, *kernel = weight.shape
    grouped = weight.reshape(operator.groups, inputs // operator.groups, outputs, *kernel).transpose(1, 2)
    return grouped.reshape(operator.weight_shape)


def as_stored(weight: Tensor, operator: Operator) -> Tensor:
    """What `output_first` gave, in the shape in which it is stored."""
    if not isinstance(operator, Convolution) or not operator.transposed:
        return weight
    outputs, inputs, *kernel = weight.shape
    grouped = weight.reshape(operator.groups, outputs // operator.groups, inputs, *kernel).transpose(1, 2)
    return grouped.reshape(operator.parameter_shapes["weight"])
