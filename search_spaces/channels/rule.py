"""How an operator couples channels, and what it becomes without some of them: what every rule states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.channels.labels import ChannelLabels, ValueLabels
from search_spaces.network_graph import Node
from search_spaces.operators.operator import Operator

KeptElements = NDArray[np.bool_]  # of each element of an axis, whether it is kept


@dataclass(frozen=True)
class KeptValues:
    """Which elements of the axes of every value are kept.

    Attributes:
        values: For each axis of each value, by name, shape (side,).
    """

    values: Mapping[str, tuple[KeptElements, ...]]

    def count(self, name: str, axis: int) -> int:
        """The number of elements of an axis of a value that are kept.

        Args:
            name: Name of the value.
            axis: Index of the axis.
        """
        return int(self.values[name][axis].sum())

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a value without what is removed."""
        return tuple(int(kept.sum()) for kept in self.values[name])


@dataclass(frozen=True)
class ChannelRule:
    """How one operator is followed.

    Attributes:
        follow: Labels the output of a node, each axis of it, and its stored tensors, and unites or fixes what the
            operator makes depend on each other. What it cannot follow it fixes: then nothing of that is ever removed.
        narrow: The operator of a node without what is removed. Only attributes that state a number of channels change.
    """

    follow: Callable[[ChannelLabels, Node], ValueLabels]
    narrow: Callable[[Any, Node, KeptValues], Operator] = lambda operator, node, kept: operator  # noqa: ARG005


def follow_nothing(labels: ChannelLabels, node: Node) -> ValueLabels:
    """Fixes all inputs and the output: the rule of operators that are not understood.

    Args:
        labels: The labels of all that the node reads.
        node: The node.
    """
    for name in node.inputs:
        labels.fix_value(name)
    return (None,) * len(labels.shape(node.name))
