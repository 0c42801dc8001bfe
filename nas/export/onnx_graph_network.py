"""Traced networks as ONNX models, with batch norms folded and quantisers as QuantizeLinear and DequantizeLinear.

The graph is rewritten so that one module runs each call of a weight together with its batch norm. Torch's exporter
writes this module and all other nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.folded_layer import fold_unit
from nas.export.foreign_operations import FOREIGN_OPERATIONS, ForeignOperation
from nas.export.onnx_grouped_weight import OnnxGroupedWeight
from nas.export.onnx_layer import (
    OnnxWeight,
    apply_hard_sigmoid,
    convolve,
    create_onnx_quantizer,
)
from nas.export.onnx_model import BATCH_AXIS, write_onnx
from nas.export.target import DEFAULT_TARGET, ExportTarget
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.elastic.torch_forms import run_operator
from search_spaces.elastic.weight_steps import to_stored_layout
from search_spaces.network_graph import NetworkGraph, Unit
from search_spaces.operators.opaque import Opaque
from search_spaces.operators.operator import Shape
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.products import Attention
from search_spaces.operators.weighted import Convolution, Embedding, Linear

_LEAST_SPREAD = 1e-3  # is added to the deviation of random weights, which is 0 if the true weights are all equal


def traced_to_onnx(network: GraphNetwork, examples: Sequence[Tensor], target: ExportTarget = DEFAULT_TARGET) -> bytes:
    """The ONNX model of a traced network. Inputs keep their names in the graph; the first output is `logits`.

    Args:
        network: A calibrated network in evaluation mode; it is not changed.
        examples: An example of shape (batch, ...) for each input, with a batch of two or more.
        target: What the file is for.

    Raises:
        ValueError: If a quantiser is not calibrated, or an operator needs a newer opset than the target can load.
    """
    return _write(build_onnx_form(network), examples, target)


def template_to_onnx(network: GraphNetwork, examples: Sequence[Tensor]) -> tuple[bytes, dict[str, str]]:
    """The ONNX model of a traced network with random weights, and the name of each weight in the model.

    Each call of a weight gets other random values, as the exporter would store equal tensors once.

    Args:
        network: A network at full precision in evaluation mode; it is not changed.
        examples: An example of shape (batch, ...) for each input, with a batch of two or more.

    Returns:
        The model; and for each node of the graph that calls a weight, by its name, the name of this weight in the
        model.
    """
    form, generator = build_onnx_form(network), torch.Generator().manual_seed(0)
    for module in form.modules():
        if isinstance(module, OnnxWeight):
            value = module.get_buffer("value")
            value.normal_(0.0, float(value.std(correction=0)) + _LEAST_SPREAD, generator=generator)
    calls = {unit.call.name for layer in network.graph.layers for unit in layer.units}
    paths = {module: path for path, module in form.named_modules()}
    content = _write(form, examples, ExportTarget(storage="bytes"))  # the weights are in floating point
    return content, {name: f"{paths[form.node_module(name)]}.weight.value" for name in calls}


def _write(form: GraphNetwork, examples: Sequence[Tensor], target: ExportTarget) -> bytes:
    """The ONNX model of a form, whose outputs are `logits`, `output_1`, `output_2` and so on."""
    names = ["logits", *(f"output_{index}" for index in range(1, len(form.graph.outputs)))]
    inputs = [name for name, _ in form.graph.inputs]
    axes = (tuple(BATCH_AXIS for _ in examples),)  # `forward` takes all inputs by one argument, *inputs
    return write_onnx(form, examples, axes, inputs, names, target)


def build_onnx_form(network: GraphNetwork) -> GraphNetwork:
    """A network with the same graph, but for folded batch norms, whose layers and quantisers have their ONNX forms."""
    modules: dict[str, nn.Module] = {}
    for node in network.graph.nodes:
        quantizer = network.node_module(node.name)
        if isinstance(quantizer, ActivationQuantizer):
            modules[node.name] = create_onnx_quantizer(quantizer, node.inputs[0])
        if node.operator == Activation("hard_sigmoid"):
            modules[node.name] = _OnnxHardSigmoid()
        if isinstance(node.operator, Attention) and len(network.graph.shapes[node.inputs[0]]) == 2:
            modules[node.name] = _OnnxAttention(node.operator)
        if isinstance(node.operator, Opaque) and node.operator.target in FOREIGN_OPERATIONS:
            modules[node.name] = ForeignOperation(node.operator.target)
    folded: dict[str, str] = {}
    for layer in network.graph.layers:
        for unit in layer.units:
            modules[unit.call.name] = _unit_form(network, unit)
            if unit.norm is not None:
                folded[unit.norm.name] = unit.call.name
    graph = _without(network.graph, folded)
    parameters = {name: network.tensor(name).detach() for name in graph.parameter_shapes}
    return GraphNetwork(graph, parameters, modules).eval()


def _without(graph: NetworkGraph, folded: Mapping[str, str]) -> NetworkGraph:
    """A graph without some nodes; their readers read the nodes that `folded` names for them."""
    nodes = tuple(
        replace(node, inputs=tuple(folded.get(name, name) for name in node.inputs))
        for node in graph.nodes
        if node.name not in folded
    )
    return replace(graph, nodes=nodes, outputs=tuple(folded.get(name, name) for name in graph.outputs))


def _unit_form(network: GraphNetwork, unit: Unit) -> nn.Module:
    """The ONNX form of a call of a weight with its batch norm."""
    operator, folded = unit.call.operator, fold_unit(network, unit)
    if isinstance(operator, Embedding):
        return _OnnxEmbedding(OnnxWeight(folded))
    assert isinstance(operator, Convolution | Linear)
    bias = folded.bias if len(unit.call.parameters) > 1 or unit.norm is not None else None
    inputs_first = _is_stored_inputs_first(operator, network.graph.shapes[unit.call.inputs[0]])
    quantizer = folded.quantizer
    if quantizer is not None and quantizer.group_size is not None:
        transposed = inputs_first and isinstance(operator, Linear)
        return _OnnxUnit(operator, OnnxGroupedWeight(folded.weight, quantizer, folded.gain, transposed), bias)
    stored = OnnxWeight(folded, transposed=inputs_first)
    if not stored.quantized and not inputs_first:
        stored.value = to_stored_layout(stored.get_buffer("value"), operator)
    return _OnnxUnit(operator, stored, bias)


def _is_stored_inputs_first(operator: Convolution | Linear, inputs: Shape) -> bool:
    """Whether ONNX stores the weight of an operator as (in, out, ...).

    Not for transposed convolutions of several groups: no axis of that layout has an entry for each output channel, and
    so there could be no step for each.
    """
    if isinstance(operator, Linear):
        return len(inputs) > 1
    return operator.transposed and operator.groups == 1


class _OnnxUnit(nn.Module):
    """A convolution or linear operator whose weight has a batch norm folded in.

    Args:
        operator: The operator.
        weight: The weight, stored as (out, in, ...), or as (in, out, ...) if `weight.axis` is 1.
        bias: Bias, shape (out,); None for no bias.
    """

    def __init__(
        self, operator: Convolution | Linear, weight: OnnxWeight | OnnxGroupedWeight, bias: Tensor | None
    ) -> None:
        super().__init__()
        self.operator, self.weight = operator, weight
        self.register_buffer("bias", bias)
        self.bias: Tensor | None

    def forward(self, inputs: Tensor) -> Tensor:
        weight, operator = self.weight(), self.operator
        if isinstance(operator, Linear):
            if not self.weight.axis:
                return F.linear(inputs, weight, self.bias)
            product = inputs @ weight
            return product if self.bias is None else product + self.bias
        if self.weight.quantized and not self.weight.axis:
            weight = to_stored_layout(weight, operator)
        return convolve(operator, inputs, weight, self.bias)


class _OnnxEmbedding(nn.Module):
    """An embedding whose table may be stored as codes, with a step for each row.

    Args:
        weight: The table, whose rows take the place of output channels.
    """

    def __init__(self, weight: OnnxWeight) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, inputs: Tensor) -> Tensor:
        rows = F.embedding(inputs, self.weight.get_buffer("value"))
        if not self.weight.quantized:
            return rows
        return rows.float() * F.embedding(inputs, self.weight.get_buffer("scale")[:, None])


class _OnnxAttention(nn.Module):
    """Attention without an axis of heads. It is run with one head, as torch's exporter requires that axis.

    Args:
        operator: The attention.
    """

    def __init__(self, operator: Attention) -> None:
        super().__init__()
        self.operator = operator

    def forward(self, *inputs: Tensor) -> Tensor:
        heads = [values.unsqueeze(1) if values.dim() == 3 else values for values in inputs]
        return run_operator(self.operator, heads).squeeze(1)


class _OnnxHardSigmoid(nn.Module):
    """A hard sigmoid that is exported as one node."""

    def forward(self, inputs: Tensor) -> Tensor:
        return apply_hard_sigmoid(inputs)
