"""Costs of widths as tables: operations and sizes depend on the widths that a layer reads and writes, on both at once.

Independent of torch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from nas.compression.allocation.allocation_problem import Budget
from nas.compression.pruning.widths import Widths
from search_spaces.additive_cost import FloatArray, Term
from search_spaces.channels.coupled_channels import FIXED, CoupledChannels
from search_spaces.channels.labels import Labels
from search_spaces.network_graph import Node
from search_spaces.operators.products import Attention, MatrixProduct
from search_spaces.operators.weighted import Convolution, Linear

Extents = tuple[float, tuple[Labels, ...]]  # a factor, and axes whose numbers of elements it is multiplied by


def budget_macs(widths: Widths, most: float) -> Budget:
    """A budget on the multiply-accumulate operations for one input, as `NetworkGraph.macs` counts them.

    Args:
        widths: The widths of a network.
        most: The upper bound.
    """
    graph = widths.channels.graph
    extents = (one for node in graph.nodes for one in _find_macs(widths.channels, node))
    return _to_budget("macs", widths, extents, most)


def budget_parameters(widths: Widths, most: float) -> Budget:
    """A budget on the number of stored elements, of weights, biases, norms and constants alike.

    Args:
        widths: The widths of a network.
        most: The upper bound.
    """
    return _to_budget("parameters", widths, ((1.0, axes) for axes in widths.channels.tensors.values()), most)


def _find_macs(channels: CoupledChannels, node: Node) -> Iterator[Extents]:
    """The operations of a node, as products of the sizes of axes."""
    operator, values = node.operator, channels.values
    if isinstance(operator, Convolution):
        axes = len(operator.kernel)
        positions = values[node.inputs[0]] if operator.transposed else values[node.name]
        taps = math.prod(operator.kernel) * math.prod(map(len, positions[-axes:]))
        yield float(taps), (*channels.tensors[node.parameters[0]][:2], *positions[: -axes - 1])
    elif isinstance(operator, Linear):
        yield 1.0, (*channels.tensors[node.parameters[0]], *values[node.inputs[0]][:-1])
    elif isinstance(operator, MatrixProduct):
        yield 1.0, (*values[node.name], values[node.inputs[0]][-1])
    elif isinstance(operator, Attention):
        query, key, value = (values[name] for name in node.inputs[:3])
        for width in (query[-1], value[-1]):
            yield 1.0, (*query[:-1], key[-2], width)


def _to_budget(name: str, widths: Widths, extents: Iterator[Extents], most: float) -> Budget:
    """The budget on a sum of products."""
    alone, joint = [np.zeros(len(known)) for known in widths.choices], dict[tuple[int, ...], FloatArray]()
    group_of = np.repeat(np.arange(len(widths.choices)), [group.size for group in widths.channels.groups])
    for factor, axes in extents:
        for groups, table in _expand(widths, group_of, factor, axes):
            if not groups:
                alone[0] += float(table)
            elif len(groups) == 1:
                alone[groups[0]] += table
            else:
                joint[groups] = joint.get(groups, np.zeros(table.shape)) + table
    terms = tuple(Term(groups, table) for groups, table in joint.items())
    return Budget(name, tuple(alone), most, terms)


def _expand(
    widths: Widths, group_of: np.ndarray, factor: float, axes: Sequence[Labels]
) -> Iterator[tuple[tuple[int, ...], FloatArray]]:
    """A product of sums over groups as a sum of products: tables over the choices of the groups of each."""
    parts: list[Mapping[int, int]] = []
    for axis in axes:
        found = Counter(group_of[axis[axis != FIXED]].tolist())
        sizes = {group: count // widths.channels.groups[group].size for group, count in found.items()}
        if fixed := int((axis == FIXED).sum()):
            sizes[FIXED] = fixed
        if sizes.keys() == {FIXED}:
            factor *= fixed
        else:
            parts.append(sizes)
    for members in product(*(part.items() for part in parts)):
        groups = tuple(sorted({group for group, _ in members if group != FIXED}))
        table = np.full([len(widths.choices[group]) for group in groups], factor)
        for group, times in members:
            if group == FIXED:
                table = table * times
            else:
                shape = [-1 if one == group else 1 for one in groups]
                table = table * times * np.array(widths.choices[group], float).reshape(shape)
        yield groups, table
