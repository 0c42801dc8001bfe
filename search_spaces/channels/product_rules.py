"""Rules of operators that join values: sums, gates, products and attention."""

from __future__ import annotations

import numpy as np

from search_spaces.channels.labels import AxisLabels, ChannelLabels, ValueLabels
from search_spaces.channels.rule import ChannelRule
from search_spaces.network_graph import Node


def _follow_elementwise(labels: ChannelLabels, node: Node) -> ValueLabels:
    """Elements that meet depend on each other; one that is broadcast depends on none of those that it meets."""
    return _unite_broadcast(labels, node.inputs, 0, len(labels.shape(node.name)))


def _follow_matrix_product(labels: ChannelLabels, node: Node) -> ValueLabels:
    """Rows and columns are those of the factors; nothing of what is summed over is removed."""
    first, second = (labels.values[name] for name in node.inputs)
    labels.fix(first[-1], second[-2])
    return (*_unite_broadcast(labels, node.inputs, 2, len(labels.shape(node.name))), first[-2], second[-1])


def _follow_attention(labels: ChannelLabels, node: Node) -> ValueLabels:
    """Heads are removed whole, a head of keys and values with all heads of queries that share it.

    The width of queries and keys stays, as it scales their products, and so do the columns of the softmax.
    """
    query, key, value = (labels.values[name] for name in node.inputs[:3])
    labels.fix(query[-1], key[-1], key[-2], value[-2])
    sides = [labels.shape(name) for name in node.inputs[:3]]
    for axis in range(-len(query), -2):
        _unite_heads(labels, key[axis], query[axis], sides[1][axis], sides[0][axis])
        labels.unite(value[axis], key[axis])
    for name in node.inputs[3:]:
        _unite_mask(labels, name, query, sides[0])
    return (*query[:-1], value[-1])


def _unite_heads(labels: ChannelLabels, key: AxisLabels, query: AxisLabels, shared: int, heads: int) -> None:
    """Unites the heads of keys with those of queries, of which several may share one."""
    if key is None or query is None or heads == shared:
        labels.unite(key, query)
        return
    labels.unite(np.repeat(key, heads // shared), query)


def _unite_mask(labels: ChannelLabels, name: str, query: ValueLabels, sides: tuple[int, ...]) -> None:
    """Unites the axes of a mask with those of queries that it is not broadcast to; its columns stay."""
    mask, shape = labels.values[name], labels.shape(name)
    labels.fix(mask[-1])
    for axis in range(-len(mask), -1):
        if shape[axis] == sides[axis]:
            labels.unite(mask[axis], query[axis])
        else:
            labels.fix(mask[axis])


def _unite_broadcast(labels: ChannelLabels, names: tuple[str, ...], last: int, rank: int) -> ValueLabels:
    """Labels of the axes of a broadcast value without its last ones, which are united over all that have the axis."""
    found: list[AxisLabels] = []
    for axis in range(-rank, -last):
        there = [name for name in names if len(labels.shape(name)) >= -axis]
        side = max(labels.shape(name)[axis] for name in there)
        known = [labels.values[name][axis] for name in there if labels.shape(name)[axis] == side]
        for other in known[1:]:
            labels.unite(known[0], other)
        for name in there:
            if labels.shape(name)[axis] != side:
                labels.fix(labels.values[name][axis])
        found.append(known[0])
    return tuple(found)


PRODUCT_RULES = {
    "add": ChannelRule(_follow_elementwise),
    "multiply": ChannelRule(_follow_elementwise),
    "matrix_product": ChannelRule(_follow_matrix_product),
    "attention": ChannelRule(_follow_attention),
}
