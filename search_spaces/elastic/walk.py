"""The one walk through the nodes of a network that all torch modules made of a graph share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from search_spaces.network_graph import Node


class Walk:
    """Runs nodes in execution order, and forgets every value after its last reader, so that its memory is freed.

    Args:
        nodes: In execution order.
        outputs: Names of the values that are wanted.
    """

    def __init__(self, nodes: Sequence[Node], outputs: Sequence[str]) -> None:
        self.nodes, self._outputs = tuple(nodes), tuple(outputs)
        last = {name: place for place, node in enumerate(nodes) for name in (node.name, *node.inputs)}
        self._unread: list[list[str]] = [[] for _ in nodes]
        for name, place in last.items():
            if name not in self._outputs:
                self._unread[place].append(name)

    def __call__(self, inputs: Mapping[str, Any], run: Callable[[Node, list[Any]], Any]) -> list[Any]:
        """The wanted values.

        Args:
            inputs: The values that no node yields, by name.
            run: The value of a node, given those that it reads.
        """
        values = dict(inputs)
        for node, unread in zip(self.nodes, self._unread, strict=True):
            values[node.name] = run(node, [values[name] for name in node.inputs])
            for name in unread:
                del values[name]
        return [values[name] for name in self._outputs]
