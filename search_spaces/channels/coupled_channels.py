"""The channels of a network that can be removed, in groups, and the network without some of them.

Every axis of every value and stored tensor is followed through the graph by the rule of each operator (`registry`).
What depends on each other is one channel: an output of a convolution, the same place of what it is added to, the
scales of norms, the columns of all layers that read it. Channels that occupy the same axes are one group, of which
any may be removed. Independent of any runtime and of where a network comes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.channels.labels import ChannelLabels, Labels, ValueLabels
from search_spaces.channels.registry import CHANNEL_RULES
from search_spaces.channels.rule import KeptElements, KeptValues, follow_nothing
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.operator import Operator, Shape

FIXED = -1  # stands for what must stay, in place of the number of a channel
Place = tuple[str, int]  # name of a stored tensor, and one of its axes


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that occupy the same axes, of which any can be removed, but not all.

    Attributes:
        name: Name of the first value that has these channels.
        first: Number of the first channel; they are numbered in their order, one after the other.
        size: Number of channels.
        places: The axes of stored tensors that have these channels, with the number of elements for each of them.
    """

    name: str
    first: int
    size: int
    places: tuple[tuple[Place, int], ...]

    @property
    def channels(self) -> slice:
        """The channels of the group among all."""
        return slice(self.first, self.first + self.size)

    def list_even_widths(self, count: int, multiple: int = 1) -> tuple[int, ...]:
        """Numbers of channels in equal parts of all, such as eighths, each rounded up, falling from all of them.

        Args:
            count: How many; a smaller group has as many as it has channels.
            multiple: All but the largest are rounded up to multiples of this.

        Raises:
            ValueError: If there is no width, or the multiple is below 1.
        """
        if not (count >= 1 and multiple >= 1):
            raise ValueError(f"a group needs one or more widths, of multiples from 1, got {count} of {multiple}")
        even = (-(-self.size * part // (count * multiple)) * multiple for part in range(count, 0, -1))
        return tuple(dict.fromkeys(min(width, self.size) for width in even))


@dataclass(frozen=True, eq=False)
class CoupledChannels:
    """The channels of a graph.

    Attributes:
        graph: The graph.
        groups: The groups, in the order of the first values that have their channels.
        values: For each axis of each value, by name, the number of the channel of every element, shape (side,), or
            `FIXED`.
        tensors: Likewise for each axis of each stored tensor.
    """

    graph: NetworkGraph
    groups: tuple[ChannelGroup, ...]
    values: Mapping[str, tuple[Labels, ...]]
    tensors: Mapping[str, tuple[Labels, ...]]

    @classmethod
    def from_graph(cls, graph: NetworkGraph) -> CoupledChannels:
        """Follows the channels through a graph.

        What the network reads and returns stays as it is, and so does whatever an operator without a rule touches.
        """
        labels = ChannelLabels(graph)
        for node in graph.nodes:
            known = node.operator.name in CHANNEL_RULES
            follow = CHANNEL_RULES[node.operator.name].follow if known else follow_nothing
            labels.values[node.name] = follow(labels, node)
        for name in graph.outputs:
            labels.fix_value(name)
        return _number(labels)

    @property
    def count(self) -> int:
        """The number of all channels that can be removed."""
        return sum(group.size for group in self.groups)

    def keep_all(self) -> KeptElements:
        """A choice of channels that removes none, shape (channels,)."""
        return np.ones(self.count, bool)

    def tensor_elements(self, kept: KeptElements) -> dict[str, tuple[KeptElements, ...]]:
        """For each axis of each stored tensor, by name, which of its elements are kept, shape (side,).

        Args:
            kept: Whether each channel is kept, shape (channels,).
        """
        return _select(self.tensors, kept)

    def shape_tensor(self, name: str, kept: KeptElements) -> Shape:
        """The shape of a stored tensor without the channels that are not kept.

        Args:
            name: Its name.
            kept: Whether each channel is kept, shape (channels,).
        """
        (axes,) = _select({name: self.tensors[name]}, kept).values()
        return tuple(int(axis.sum()) for axis in axes)

    def narrow(self, kept: KeptElements) -> NetworkGraph:
        """The graph without the channels that are not kept; nodes and stored tensors keep their names.

        Args:
            kept: Whether each channel is kept, shape (channels,).

        Raises:
            ValueError: If there is another number of channels, or nothing of a group is kept.
        """
        if kept.shape != (self.count,) or not all(kept[group.channels].any() for group in self.groups):
            raise ValueError(
                f"of each of {len(self.groups)} groups one or more of {self.count} channels must be kept, got a choice "
                f"of shape {kept.shape} with {kept.sum()} kept"
            )
        values = KeptValues(_select(self.values, kept))
        nodes = (replace(node, operator=_narrow_operator(node, values)) for node in self.graph.nodes)
        return replace(self.graph, nodes=tuple(nodes))

    def narrow_node(self, node: Node, kept: KeptElements) -> tuple[Operator, tuple[Shape, ...]]:
        """The operator of one node without the channels that are not kept, and the shapes that it reads.

        Args:
            node: A node of the graph.
            kept: Whether each channel is kept, shape (channels,).
        """
        near = {name: self.values[name] for name in (*node.inputs, node.name)}
        values = KeptValues(_select(near, kept))
        return _narrow_operator(node, values), tuple(values.shape(name) for name in node.inputs)


def _narrow_operator(node: Node, values: KeptValues) -> Operator:
    """The operator of a node without what is removed; one without a rule, around which nothing is, stays."""
    name = node.operator.name
    return CHANNEL_RULES[name].narrow(node.operator, node, values) if name in CHANNEL_RULES else node.operator


def _select(axes: Mapping[str, tuple[Labels, ...]], kept: KeptElements) -> dict[str, tuple[KeptElements, ...]]:
    elements = np.append(kept, True)  # `FIXED` reads the last one
    return {name: tuple(elements[channels] for channels in known) for name, known in axes.items()}


def _number(labels: ChannelLabels) -> CoupledChannels:
    """Numbers what is left to be removed, group by group."""
    shapes = [("value", name, labels.shape(name)) for name in labels.values]
    shapes += [("tensor", name, labels.graph.parameter_shapes[name]) for name in labels.graph.parameter_shapes]
    find = labels.finder()
    roots = {
        (kind, name): [find(known) for known in _known(labels, kind, name, len(shape))] for kind, name, shape in shapes
    }
    occupied: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for place, found in roots.items():
        for axis, axis_roots in enumerate(found):
            if axis_roots is not None:
                for root, times in zip(*np.unique(axis_roots[axis_roots >= 0], return_counts=True), strict=True):
                    occupied[int(root)].append((*place, axis, int(times)))
    groups: list[ChannelGroup] = []
    numbers: dict[int, int] = {}
    for members, places in _group(occupied, _order(roots.values())):
        numbers |= {root: index for index, root in enumerate(members, start=len(numbers))}
        tensors = tuple(((name, axis), times) for kind, name, axis, times in places if kind == "tensor")
        first = next(name for kind, name, _, _ in places if kind == "value")
        groups.append(ChannelGroup(first, numbers[members[0]], len(members), tensors))

    def look_up(kind: str) -> dict[str, tuple[Labels, ...]]:
        return {
            name: tuple(_look_up(axis, side, numbers) for axis, side in zip(roots[kind, name], shape, strict=True))
            for one, name, shape in shapes
            if one == kind
        }

    return CoupledChannels(labels.graph, tuple(groups), look_up("value"), look_up("tensor"))


def _known(labels: ChannelLabels, kind: str, name: str, rank: int) -> ValueLabels:
    return (labels.values if kind == "value" else labels.tensors).get(name, (None,) * rank)


def _order(roots: Any) -> list[int]:
    """All roots, each once, in the order of their first elements."""
    ordered = [int(root) for found in roots for axis in found if axis is not None for root in axis if root >= 0]
    return list(dict.fromkeys(ordered))


def _group(
    occupied: Mapping[int, Sequence[tuple[Any, ...]]], order: Sequence[int]
) -> Iterator[tuple[list[int], tuple[tuple[Any, ...], ...]]]:
    """The groups of two or more channels that occupy the same axes, among them one of a stored tensor."""
    members: dict[tuple[tuple[Any, ...], ...], list[int]] = defaultdict(list)
    for root in order:
        members[tuple(occupied[root])].append(root)
    for places, found in members.items():
        if len(found) > 1 and any(kind == "tensor" for kind, *_ in places):
            yield found, places


def _look_up(axis: NDArray[np.int64] | None, side: int, numbers: Mapping[int, int]) -> Labels:
    if axis is None:
        return np.full(side, FIXED, np.int64)
    return np.array([numbers.get(int(root), FIXED) for root in axis], np.int64)
