"""A network of a family as a plain torch module: its layers, joined as the nodes say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from search_spaces.dataflow import IMAGES, SLOT, present_nodes
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.network_graph import Node


class WiredNetwork(nn.Module):
    """Images, shape (batch, channels, height, width), to logits, shape (batch, classes).

    Args:
        nodes: Of the largest network of the family; those whose layers are missing are left out.
        layers: The layers by name; each becomes the submodule of its name.
    """

    def __init__(self, nodes: Sequence[Node], layers: Mapping[str, Layer]) -> None:
        super().__init__()
        self._homes = {name: _place(self, name, layer) for name, layer in layers.items()}
        self.nodes = present_nodes(nodes, list(layers))
        last_reader = {name: node.name for node in self.nodes for name in node.inputs}
        self._done_with = {node.name: [n for n in node.inputs if last_reader[n] == node.name] for node in self.nodes}

    def layer(self, name: str) -> nn.Module:
        """The layer of a name, or what has taken its place; `get_submodule` would walk there step by step."""
        parent, last = self._homes[name]
        layer: nn.Module = getattr(parent, last)
        return layer

    def forward(self, images: Tensor) -> Tensor:
        values = {IMAGES: images}
        for node in self.nodes:
            inputs = [values[name] for name in node.inputs]
            value = self.layer(node.name)(*inputs) if node.operator == SLOT else run_operator(node.operator, inputs)
            for name in self._done_with[node.name]:  # so that the memory of what nobody reads again is freed
                values.pop(name, None)
            values[node.name] = value
        return values[self.nodes[-1].name]


def _place(root: nn.Module, name: str, layer: nn.Module) -> tuple[nn.Module, str]:
    """Makes a layer the submodule of a dotted name; returns the module that holds it, and under which name."""
    *path, last = name.split(".")
    parent = root
    for part in path:
        if not hasattr(parent, part):
            parent.add_module(part, nn.Module())
        parent = getattr(parent, part)
    parent.add_module(last, layer)
    return parent, last
