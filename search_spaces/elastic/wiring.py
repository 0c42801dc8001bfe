"""A network of a family as a plain torch module: its layers, joined as the nodes say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from search_spaces.dataflow import IMAGES, Slot, select_present_nodes
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.walk import Walk
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
        self.nodes = select_present_nodes(nodes, list(layers))
        self._walk = Walk(self.nodes, [self.nodes[-1].name])

    def layer(self, name: str) -> nn.Module:
        """The layer of a name, or what has taken its place; `get_submodule` would walk there step by step."""
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
