"""Group-wise formats: consecutive inputs of an output share a step, so a weight has more steps than output channels.

Known as group size (GPTQ), granularity or blocks. A group holds all places of a kernel, so that a weight whose rows are
groups, in order, is rounded as any other weight with a step for each row.
"""

from __future__ import annotations

from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution, Linear

LEAST_GROUP_SIZE, LARGEST_GROUP_SIZE = 2, 4096  # input channels; libraries and hardware know 16 to 256


def check_group_size(operator: Operator, group_size: int) -> None:
    """Refuses an operator whose weight cannot have a step for each group of inputs.

    Args:
        operator: An operator with a weight.
        group_size: Input channels of a group.

    Raises:
        ValueError: If it is neither a linear layer nor a convolution, or has a number of inputs that is no multiple of
            the group size; a grouped convolution has those of one of its groups.
    """
    if not isinstance(operator, Linear | Convolution):
        raise ValueError(f"group-wise steps are for linear layers and convolutions, got {operator.name}")
    inputs = operator.weight_shape[1]
    if inputs % group_size:
        raise ValueError(f"steps for groups of {group_size} need a multiple of as many input channels, got {inputs}")


def count_steps(operator: Operator, group_size: int | None) -> int:
    """The number of steps of a quantised weight: one for each output channel, or for each of its groups of inputs.

    Args:
        operator: An operator with a weight.
        group_size: Input channels of a group; None if an output channel has one step.
    """
    outputs, *rest = operator.weight_shape or (0,)
    return outputs if group_size is None else outputs * rest[0] // group_size
