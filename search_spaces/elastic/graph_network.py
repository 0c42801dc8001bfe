"""A plain torch module that runs any network graph by walking it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
        graph: The network graph.
        parameters: The stored tensors by the names that the nodes use, in the shapes that `graph.parameter_shapes`
            states. Tensors that require a gradient become parameters, all others buffers.
        modules: Modules that run nodes in place of their torch forms, by name of the node, such as a quantiser with a
            calibrated range.

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
        self._kept: dict[str, str] = {}  # by name of the weight, the buffer of its rounded values
        self._modules_of_nodes = {name: f"node_{index}" for index, name in enumerate(modules or {})}
        for name, module in (modules or {}).items():
            self.add_module(self._modules_of_nodes[name], module)
        self._walk = Walk(graph.nodes, graph.outputs)

    def tensor(self, name: str) -> Tensor:
        """A stored tensor, in its stored shape, by the name that the nodes use."""
        tensor: Tensor = getattr(self, self._stored[name])
        return tensor

    def attribute(self, name: str) -> str:
        """The attribute under which a stored tensor lies, by the name that the nodes use."""
        return self._stored[name]

    def round_weight(
        self, name: str, bits: int, quantizer: Quantizer = REFERENCE, group_size: int | None = None
    ) -> None:
        """Has a weight rounded in every forward pass from now on; rounded values that were kept are forgotten.

        Args:
            name: Name of the weight, as the nodes use it.
            bits: Bits of its codes; 32 leave the weight as it is.
            quantizer: Chooses the steps of the codes.
            group_size: Input channels that share a step; None if an output channel has one step.
        """
        self._weight_quantizers[self._stored[name]] = WeightQuantizer(bits, quantizer, group_size)
        self._kept.pop(name, None)

    def weight_quantizer(self, name: str) -> WeightQuantizer | None:
        """The quantiser of a weight; None if `round_weight` was not called for it."""
        attribute = self._stored[name]
        if attribute not in self._weight_quantizers:
            return None
        quantizer = self._weight_quantizers[attribute]
        assert isinstance(quantizer, WeightQuantizer)
        return quantizer

    def node_module(self, name: str) -> nn.Module | None:
        """The module that runs a node in place of its torch form; None if there is none."""
        attribute = self._modules_of_nodes.get(name)
        return None if attribute is None else self.get_submodule(attribute)

    def forward(self, *inputs: Tensor) -> Any:
        """The output of the network, or a tuple of its outputs, for one tensor per input of the graph.

        Raises:
            ValueError: If the network runs at one batch size alone, and the inputs have another.
        """
        outputs = self._walk(self._name_inputs(inputs), self._runner(inputs[0]))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def run_node(self, node: Node, inputs: Sequence[Any], batch: int, device: torch.device) -> Any:
        """The value of one node alone, with its weight rounded and its module in place of its torch form.

        Args:
            node: A node of the graph.
            inputs: The values that it reads, each of shape (batch, ...).
            batch: The batch size.
            device: Where the values lie.
        """
        rounded = {name: self.get_buffer(attribute) for name, attribute in self._kept.items()}
        return self._value(rounded, batch, device, node, inputs)

    def steps(self, *inputs: Tensor) -> Iterator[dict[str, Any]]:
        """Runs the network node by node.

        Args:
            *inputs: As for `forward`.

        Yields:
            The values that are still to be read or returned, by name: before each node, and after the last one. It is
            one dictionary, which changes from step to step.

        Raises:
            ValueError: As for `forward`.
        """
        yield from self._walk.steps(self._name_inputs(inputs), self._runner(inputs[0]))

    def resume(self, known: Mapping[str, Any], start: int, first_input: Tensor) -> Iterator[dict[str, Any]]:
        """Runs the network from a node on.

        Args:
            known: The values that are still to be read or returned before that node, by name.
            start: Index of the node.
            first_input: The first input of the network, shape (batch, ...), from which nodes take batch and device.

        Yields:
            The values as `steps` gives them, from before that node on.
        """
        yield from self._walk.steps(known, self._runner(first_input), start)

    def _name_inputs(self, inputs: Sequence[Tensor]) -> dict[str, Any]:
        batch = inputs[0].shape[0]
        if self.graph.batch is not None and batch != self.graph.batch:
            raise ValueError(f"this network runs at a batch of {self.graph.batch} alone, got {batch}")
        return dict(zip(dict(self.graph.inputs), inputs, strict=True))

    def _runner(self, first_input: Tensor) -> Callable[[Node, Sequence[Tensor]], Any]:
        """What runs the nodes of one forward pass."""
        rounded = {name: self.get_buffer(attribute) for name, attribute in self._kept.items()}
        # not `len(first_input)`, which would become a constant when this module is exported
        return partial(self._value, rounded, first_input.shape[0], first_input.device)

    def _value(
        self, rounded: dict[str, Tensor], batch: int, device: torch.device, node: Node, inputs: Sequence[Tensor]
    ) -> Any:
        """The value of a node; `rounded` holds the rounded weights so far by name, and gets those that are added."""
        if (module := self.node_module(node.name)) is not None:
            return module(*inputs)
        if isinstance(node.operator, Opaque):
            return call_opaque(node.operator, inputs, batch=batch, device=device)
        return run_operator(node.operator, inputs, [self._read(name, node, rounded) for name in node.parameters])

    def _read(self, name: str, node: Node, rounded: dict[str, Tensor]) -> Tensor:
        """A stored tensor. A quantised weight is rounded, once per forward pass for all nodes that use it."""
        tensor, quantizer = self.tensor(name), self.weight_quantizer(name)
        if quantizer is None:
            return tensor
        if name not in rounded:
            operator = node.operator
            rounded[name] = to_stored_layout(quantizer(to_output_first(tensor, operator)), operator)
        return rounded[name]

    def keep_rounded_weights(self) -> None:
        """Rounds every quantised weight now and keeps the result for later forward passes.

        The weights must not change meanwhile; `round_weight` ends this for its weight.
        """
        rounded: dict[str, Tensor] = {}
        with torch.no_grad():
            for node in self.graph.nodes:
                for name in node.parameters:
                    self._read(name, node, rounded)
        self._kept = {name: f"rounded_{self._stored[name]}" for name in rounded}
        for name, tensor in rounded.items():
            self.register_buffer(self._kept[name], tensor, persistent=False)  # a buffer, to change device

    def _store(self, attribute: str, tensor: Tensor) -> None:
        if tensor.requires_grad:
            self.register_parameter(attribute, nn.Parameter(tensor.detach()))
        else:
            self.register_buffer(attribute, tensor)
