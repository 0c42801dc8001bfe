"""A walk that runs nodes in order, and a network of a family as a torch module: its layers, joined by nodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from search_spaces.dataflow import IMAGES, Slot, select_present_nodes
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.network_graph import Node


class Walk:
    """Runs nodes in execution order, and drops every value after its last reader, so that its memory is freed.

    Args:
        nodes: The nodes, in execution order.
        outputs: Names of the values that a call returns.
    """

    def __init__(self, nodes: Sequence[Node], outputs: Sequence[str]) -> None:
        self.nodes, self._outputs = tuple(nodes), tuple(outputs)
        last = {name: index for index, node in enumerate(nodes) for name in (node.name, *node.inputs)}
        self._unread: list[list[str]] = [[] for _ in nodes]
        for name, index in last.items():
            if name not in self._outputs:
                self._unread[index].append(name)

    def __call__(self, inputs: Mapping[str, Any], run: Callable[[Node, list[Any]], Any]) -> list[Any]:
        """The values of `outputs`, in order.

        Args:
            inputs: The inputs of the network, by name.
            run: Computes the value of a node, given the values that the node reads.
        """
        (values,) = deque(self.steps(inputs, run), maxlen=1)
        return [values[name] for name in self._outputs]

    def steps(
        self, known: Mapping[str, Any], run: Callable[[Node, list[Any]], Any], start: int = 0
    ) -> Iterator[dict[str, Any]]:
        """The values that are still to be read or returned: before each node, and after the last one.

        Args:
            known: Such values before the first node that is run, by name.
            run: Computes the value of a node, given the values that the node reads.
            start: Index of the first node that is run.

        Yields:
            One dictionary, which changes from step to step.
        """
        values = dict(known)
        for node, unread in zip(self.nodes[start:], self._unread[start:], strict=True):
            yield values
            values[node.name] = run(node, [values[name] for name in node.inputs])
            for name in unread:
                del values[name]
        yield values


class WiredNetwork(nn.Module):
    """A network that maps images, shape (batch, channels, height, width), to logits, shape (batch, classes).

    Args:
        nodes: Nodes of the largest network of the family; `select_present_nodes` selects those of this network.
        layers: The layers by name; each becomes the submodule of its name.
    """

    def __init__(self, nodes: Sequence[Node], layers: Mapping[str, Layer]) -> None:
        super().__init__()
        self._homes = {name: _add_submodule(self, name, layer) for name, layer in layers.items()}
        self.nodes = select_present_nodes(nodes, list(layers))
        self._walk = Walk(self.nodes, [self.nodes[-1].name])

    def layer(self, name: str) -> nn.Module:
        """The layer of a name, or the module that replaced it; quicker than `get_submodule`, which splits the name."""
        parent, last = self._homes[name]
        layer: nn.Module = getattr(parent, last)
        return layer

    def forward(self, images: Tensor) -> Tensor:
        (output,) = self._walk({IMAGES: images}, self._value)
        return output

    def _value(self, node: Node, inputs: list[Tensor]) -> Tensor:
        if isinstance(node.operator, Slot):
            value: Tensor = self.layer(node.name)(*inputs)
            return value
        return run_operator(node.operator, inputs)


def _add_submodule(root: nn.Module, name: str, layer: nn.Module) -> tuple[nn.Module, str]:
    """Adds a layer under a dotted name, with empty modules on the way; returns its parent and its name there."""
    *path, last = name.split(".")
    parent = root
    for part in path:
        if not hasattr(parent, part):
            parent.add_module(part, nn.Module())
        parent = getattr(parent, part)
    parent.add_module(last, layer)
    return parent, last
