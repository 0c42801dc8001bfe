"""A plain torch module that runs any network graph by walking it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.elastic.opaque_calls import call_opaque
from search_spaces.elastic.quantizers import REFERENCE, WeightQuantizer
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.weight_steps import Quantizer, to_output_first, to_stored_layout
from search_spaces.elastic.wiring import Walk
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.opaque import Opaque


class GraphNetwork(nn.Module):
    """Runs a network graph with its stored tensors.

    Args:
        graph: What is computed.
        parameters: The stored tensors by name, as the nodes call them, in the shapes that `graph.parameter_shapes`
            states; floating-point ones that require a gradient become parameters, all others buffers.
        modules: What runs a node in place of its torch form, by name of the node, such as a quantiser with a range.

    Raises:
        ValueError: If a tensor of the graph is missing.
    """

    def __init__(
        self, graph: NetworkGraph, parameters: Mapping[str, Tensor], modules: Mapping[str, nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.graph = graph
        self._stored = {name: f"stored_{index}" for index, name in enumerate(graph.parameter_shapes)}
        for name, attribute in self._stored.items():
            if name not in parameters:
                raise ValueError(f"a network needs a tensor for every parameter of its graph, got none for {name!r}")
            self._store(attribute, parameters[name])
        self._weight_quantizers = nn.ModuleDict()
        self._kept: dict[str, str] = {}  # buffers of weights that are rounded for good, by name of the weight
        self._modules_of_nodes = {name: f"node_{index}" for index, name in enumerate(modules or {})}
        for name, module in (modules or {}).items():
            self.add_module(self._modules_of_nodes[name], module)
        self._walk = Walk(graph.nodes, graph.outputs)

    def tensor(self, name: str) -> Tensor:
        """A stored tensor, in its stored shape, by the name that the nodes use."""
        tensor: Tensor = getattr(self, self._stored[name])
        return tensor

    def round_weight(self, name: str, bits: int, quantizer: Quantizer = REFERENCE) -> None:
        """Has a weight rounded each time that it is used.

        Args:
            name: Of the weight, as the nodes use it.
            bits: Of its codes; 32 leave it as it is.
            quantizer: Chooses the steps.
        """
        self._weight_quantizers[self._stored[name]] = WeightQuantizer(bits, quantizer)
        self._kept.pop(name, None)

    def weight_quantizer(self, name: str) -> WeightQuantizer | None:
        """What rounds a weight, if anything does."""
        attribute = self._stored[name]
        if attribute not in self._weight_quantizers:
            return None
        quantizer = self._weight_quantizers[attribute]
        assert isinstance(quantizer, WeightQuantizer)
        return quantizer

    def node_module(self, name: str) -> nn.Module | None:
        """What runs a node in place of its torch form, if anything does."""
        attribute = self._modules_of_nodes.get(name)
        return None if attribute is None else self.get_submodule(attribute)

    def forward(self, *inputs: Tensor) -> Any:
        """The output of the network, or a tuple of its outputs, for one tensor per input of the graph.

        Raises:
            ValueError: If the network is fixed to another batch size.
        """
        batch = inputs[0].shape[0]  # its len would fix it for those who export this module
        if self.graph.batch is not None and batch != self.graph.batch:
            raise ValueError(f"this network runs at a batch of {self.graph.batch} alone, got {batch}")
        given = dict(zip(dict(self.graph.inputs), inputs, strict=True))
        rounded = {name: self.get_buffer(attribute) for name, attribute in self._kept.items()}
        outputs = self._walk(given, partial(self._value, rounded, batch, inputs[0].device))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _value(
        self, rounded: dict[str, Tensor], batch: int, device: torch.device, node: Node, inputs: Sequence[Tensor]
    ) -> Any:
        if (module := self.node_module(node.name)) is not None:
            return module(*inputs)
        if isinstance(node.operator, Opaque):
            return call_opaque(node.operator, inputs, batch=batch, device=device)
        return run_operator(node.operator, inputs, [self._read(name, node, rounded) for name in node.parameters])

    def _read(self, name: str, node: Node, rounded: dict[str, Tensor]) -> Tensor:
        """A stored tensor, rounded if it is a weight that is quantised: once for all nodes that use it."""
        tensor, quantizer = self.tensor(name), self.weight_quantizer(name)
        if quantizer is None:
            return tensor
        if name not in rounded:
            operator = node.operator
            rounded[name] = to_stored_layout(quantizer(to_output_first(tensor, operator)), operator)
        return rounded[name]

    def keep_rounded_weights(self) -> None:
        """Rounds every weight once for all forward passes to come, during which they must not change."""
        rounded: dict[str, Tensor] = {}
        with torch.no_grad():
            for node in self.graph.nodes:
                for name in node.parameters:
                    self._read(name, node, rounded)
        self._kept = {name: f"rounded_{self._stored[name]}" for name in rounded}
        for name, tensor in rounded.items():
            self.register_buffer(self._kept[name], tensor, persistent=False)  # goes with it to another device

    def _store(self, attribute: str, tensor: Tensor) -> None:
        if tensor.requires_grad:
            self.register_parameter(attribute, nn.Parameter(tensor.detach()))
        else:
            self.register_buffer(attribute, tensor)
