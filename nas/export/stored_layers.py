"""A subnet of a supernet, layers that nodes join, as values of JSON and tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nas.export.opaque_check import check_opaque_calls
from nas.export.stored_parts import NETWORK, STEPS, STORED_OPERATORS, StoredActivation, check_operators, read_steps
from nas.tensor_files import find_misfits
from search_spaces.compression_policy import FULL_PRECISION_BITS, LayerPolicy
from search_spaces.dataflow import IMAGES, Slot, check_dataflow
from search_spaces.elastic.double_rounding import MASTER_BITS
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.wiring import WiredNetwork
from search_spaces.layer_spec import LayerSpec
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.operator import Operator
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.registry import parse_operator
from search_spaces.quoting import quote_name


@dataclass(frozen=True)
class StoredLayer:
    """What a `Layer` is besides its tensors.

    Attributes:
        operator: The text of the operator.
        input_shape: Shape of one input, without the batch axis.
        normalized: Whether batch normalisation follows.
        activation: The text of the activation function that ends it; None if there is none.
        policy: The short form of its policy.
        learns_step: Whether the step of its weight is learnt; else the steps of a rounded one are a tensor beside it.
        input: How its input is rounded.
        output: How its output is rounded.
    """

    operator: str
    input_shape: tuple[int, ...]
    normalized: bool
    activation: str | None
    policy: str
    learns_step: bool
    input: StoredActivation
    output: StoredActivation

    @classmethod
    def of(cls, layer: Layer) -> StoredLayer:
        """What a layer is.

        Raises:
            ValueError: If it is not calibrated, or called more than once, which no layer of a subnet is.
        """
        spec, weights = layer.spec, layer.weight_quantizer
        if spec.further_calls:
            raise ValueError(f"layer {quote_name(spec.name)} is called more than once, and would be stored for once")
        return cls(
            str(spec.operator),
            spec.input_shape,
            spec.normalized,
            None if spec.activation is None else str(spec.activation),
            str(LayerPolicy.quantized(weights.bits, layer.input_quantizer.bits)),  # by which it computes
            layer.log_weight_step is not None,
            StoredActivation.of(layer.input_quantizer, f"the input of {spec.name}"),
            StoredActivation.of(layer.output_quantizer, f"the output of {spec.name}"),
        )

    @property
    def has_steps(self) -> bool:
        """Whether its weight is rounded in steps that are not learnt, but stored."""
        return LayerPolicy.parse(self.policy).weight_bits != FULL_PRECISION_BITS and not self.learns_step

    def build(self, name: str) -> Layer:
        """The layer under a name, with its policy, but without tensors, steps and ranges.

        Raises:
            ValueError: If there is no such layer.
        """
        activation = None if self.activation is None else parse_operator(self.activation)
        if not isinstance(activation, Activation | None):
            raise ValueError(f"layer {quote_name(name)} must end with an activation function, got {activation}")
        spec = LayerSpec(name, parse_operator(self.operator), self.input_shape, self.normalized, activation)
        layer = Layer(spec, LayerPolicy.parse(self.policy), device="meta")
        if self.learns_step:
            layer.learn_weight_step(MASTER_BITS)
        return layer

    def restore(self, layer: Layer, tensors: Mapping[str, Tensor]) -> None:
        """Gives a built layer its steps and ranges.

        Args:
            layer: The layer, with its tensors.
            tensors: All tensors of the file, of any shapes.

        Raises:
            ValueError: If they are not there.
        """
        name, policy = layer.spec.name, layer.policy
        if self.has_steps:
            layer.quantize(policy, read_steps(tensors, name, layer.spec.out_channels))
        for where, stored, active in (
            ("input", self.input, layer.input_quantizer),
            ("output", self.output, layer.output_quantizer),
        ):
            if stored.bits != policy.activation_bits:
                raise ValueError(
                    f"the {where} of {quote_name(name)} has {stored.bits} bits, by its policy {policy} not"
                )
            stored.restore(active, f"the {where} of {name}")


@dataclass(frozen=True)
class StoredLayers:
    """What a `WiredNetwork` is besides its tensors.

    Attributes:
        graph: The JSON of its nodes as a graph, with slots for the layers.
        layers: The layers by name, in the order of their policies.
    """

    graph: str
    layers: Mapping[str, StoredLayer]

    @classmethod
    def of(cls, network: WiredNetwork) -> tuple[StoredLayers, dict[str, Tensor]]:
        """What a network is, and by name its tensors, and the steps of its rounded weights, shape (out,) each.

        Raises:
            ValueError: As for `StoredLayer.of`.
        """
        layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, Layer)}
        nodes = tuple(network.nodes)
        if nodes[0].name not in layers:
            raise ValueError(f"a subnet is stored whose first node is a layer, and {quote_name(nodes[0].name)} is none")
        graph = NetworkGraph(((IMAGES, layers[nodes[0].name].spec.input_shape),), nodes, (nodes[-1].name,))
        stored = cls(graph.to_json(), {name: StoredLayer.of(layer) for name, layer in layers.items()})
        tensors = {f"{NETWORK}{name}": tensor for name, tensor in network.state_dict().items()}
        for name in stored.list_rounded():
            tensors[f"{STEPS}{name}"] = layers[name].weight_quantizer.steps(layers[name].op.weight.detach()).float()
        return stored, tensors

    def list_rounded(self) -> list[str]:
        """Names of the layers whose weights are rounded in steps of the file."""
        return [name for name, layer in self.layers.items() if layer.has_steps]

    def build(self, tensors: Mapping[str, Tensor]) -> WiredNetwork:
        """The network.

        Args:
            tensors: What `of` gave, of the shapes of its layers.

        Raises:
            ValueError: If nodes do not join the layers, or tensors do not fit them.
        """
        graph = NetworkGraph.from_json(self.graph, STORED_OPERATORS)
        layers = {name: layer.build(name) for name, layer in self.layers.items()}
        _check_nodes(graph, layers)
        network = WiredNetwork(graph.nodes, layers)
        found = {name.removeprefix(NETWORK): one for name, one in tensors.items() if name.startswith(NETWORK)}
        if misfits := find_misfits(network.state_dict(), found):
            raise ValueError(f"its tensors must be those of its layers: {misfits[0]}")
        network.load_state_dict(found, assign=True)  # in the memory format that they have
        for name, layer in layers.items():
            self.layers[name].restore(layer, tensors)
        return network.eval()


def _check_nodes(graph: NetworkGraph, layers: Mapping[str, Layer]) -> None:
    """Refuses nodes that do not join the layers, or join them so that one cannot read what it gets."""
    check_operators(graph.nodes)
    check_dataflow(graph.nodes, [*layers])
    if graph.parameter_shapes or len(graph.outputs) != 1 or [name for name, _ in graph.inputs] != [IMAGES]:
        raise ValueError("nodes of a subnet read images, have no tensors, and yield one output")
    if {node.name for node in graph.nodes if isinstance(node.operator, Slot)} != layers.keys():
        raise ValueError("a subnet has each of its layers in a slot of that name")
    operators = {
        node.name: layers[node.name].spec.operator if node.name in layers else node.operator for node in graph.nodes
    }
    placed = NetworkGraph(
        graph.inputs, tuple(_place(node, operators[node.name]) for node in graph.nodes), graph.outputs
    )
    for node in placed.nodes:
        if node.name in layers and placed.shapes[node.inputs[0]] != (wanted := layers[node.name].spec.input_shape):
            raise ValueError(f"{quote_name(node.name)} reads {wanted}, and gets {placed.shapes[node.inputs[0]]}")
    weights = {name: torch.empty(shape, device="meta") for name, shape in placed.parameter_shapes.items()}
    check_opaque_calls(placed, weights)


def _place(node: Node, operator: Operator) -> Node:
    """A node of another operator, with parameters by role."""
    return replace(
        node, operator=operator, parameters=tuple(f"{node.name}.{role}" for role in operator.parameter_shapes)
    )
