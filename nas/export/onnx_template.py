"""A network in ONNX from which versions at 8 bits are written in milliseconds, for timing; an export takes seconds.

A version has the nodes of an export under the same policy. Its steps and codes are arbitrary: latency ignores them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from nas.export.runtime_form import shield_float_layers, store_wide_codes_unsigned, to_bytes
from search_spaces.network_graph import NetworkGraph, Unit
from search_spaces.operators.operator import Operator
from search_spaces.operators.weighted import Convolution

_STEP = 0.02  # step of all activations; latency does not depend on its value
_NEAR_MIDDLE, _ZERO = 120, 0  # zero points: of activations that may be negative (rarely 128), and of those after a ReLU


@dataclass(frozen=True)
class Quantized:
    """The tensors that are rounded to 8 bits or fewer, by the names of the nodes that call a weight.

    Attributes:
        weights: Nodes whose weight is rounded.
        inputs: Nodes whose input is rounded by a quantiser of its own.
        outputs: Nodes whose unit has a rounded output.
        narrow: Those of the weights whose codes have 7 bits, which are stored as signed ones.
    """

    weights: frozenset[str]
    inputs: frozenset[str]
    outputs: frozenset[str]
    narrow: frozenset[str] = frozenset()


class OnnxTemplate:
    """The ONNX model of a network at full precision, and the places of its weights in the model.

    Args:
        model: The model that `template_to_onnx` returns.
        graph: The graph of the network.
        weights: For each node that calls a weight, by its name, the name of the weight in the model.

    Raises:
        ValueError: If the model lacks one of these weights, or does not read it exactly once.
    """

    def __init__(self, model: bytes, graph: NetworkGraph, weights: Mapping[str, str]) -> None:
        self._model = onnx.load_from_string(model)
        stored = {tensor.name: tensor for tensor in self._model.graph.initializer}
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self._model.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        self._sites: dict[str, _CallSite] = {}
        for unit in (unit for layer in graph.layers for unit in layer.units):
            weight = weights[unit.call.name]
            if weight not in stored or len(readers.get(weight, [])) != 1:
                raise ValueError(f"the model must use weight {weight!r} once, in {unit.call.name}; it does not")
            (node,) = readers[weight]
            reader, output = _find_reader(node, unit, self._model.graph), _find_output(node, unit, readers)
            self._sites[unit.call.name] = _CallSite(node, weight, reader, output, unit.call.operator)
        self._codes = {site.weight: _round_weight(stored[site.weight], site) for site in self._sites.values()}

    def form(self, quantized: Quantized) -> bytes:
        """The model with quantisers at the given tensors, as the bytes of an ONNX file."""
        graph = self._model.graph
        rounded = {self._sites[call].weight: self._sites[call] for call in quantized.weights}
        inputs = {self._sites[call].reader: self._sites[call] for call in quantized.inputs}
        outputs = {self._sites[call].output for call in quantized.outputs}
        narrow = {self._sites[call].weight for call in quantized.narrow}
        draft = _Draft({name: _halve(*codes) if name in narrow else codes for name, codes in self._codes.items()})
        draft.constants = [tensor for tensor in graph.initializer if tensor.name not in rounded]
        for site in rounded.values():
            if site.node.op_type != "Gather":
                draft.dequantize_weight(site)
        for node in graph.node:
            draft.add(node, inputs.get(node.name), outputs, rounded)
        drawn = helper.make_graph(draft.nodes, graph.name, graph.input, graph.output, draft.constants)
        versions = {"opset_imports": self._model.opset_import, "ir_version": self._model.ir_version}
        form = ir.from_proto(helper.make_model(drawn, **versions))
        shield_float_layers(form.graph)
        store_wide_codes_unsigned(form.graph)
        return to_bytes(form)


@dataclass(frozen=True)
class _CallSite:
    """The place of a call of a weight in an ONNX model.

    Attributes:
        node: The node that reads the weight.
        weight: Name of the weight.
        reader: Name of the node that reads the input of the unit: a padding, or `node` itself.
        output: Name of the value that is rounded as the output of the unit.
        operator: The operator of the call.
    """

    node: onnx.NodeProto
    weight: str
    reader: str
    output: str
    operator: Operator

    @property
    def grouped(self) -> Convolution | None:
        """The operator if it is a transposed convolution of several groups: its weight has no axis of all outputs."""
        operator = self.operator
        if isinstance(operator, Convolution) and operator.transposed and operator.groups > 1:
            return operator
        return None

    @property
    def axis(self) -> int:
        """The axis of the codes that has an entry for each output channel."""
        return int(self.node.op_type in ("MatMul", "ConvTranspose") and self.grouped is None)


class _Draft:
    """The nodes and constants of a version; `codes` are codes, steps and zero points by name of the weight."""

    def __init__(self, codes: Mapping[str, tuple[onnx.TensorProto, ...]]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._codes = codes
        self._rounded: dict[str, str] = {}
        self._from_relu: set[str] = set()
        self._grid: dict[int, tuple[str, str]] = {}

    def add(
        self, node: onnx.NodeProto, reads: _CallSite | None, outputs: set[str], weights: Mapping[str, _CallSite]
    ) -> None:
        """Copies a node; rounds its input if `reads` is a call, and its output if `outputs` holds its name."""
        if node.op_type == "Gather" and node.input[0] in weights:
            self._look_up(node)
            return
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        if reads is not None:
            source = node.input[0]
            if source not in self._rounded:
                self._rounded[source] = f"{source}_rounded"
                self._round(source, self._rounded[source], source in self._from_relu)
            copied.input[0] = self._rounded[source]
        self.nodes.append(copied)
        if node.op_type == "Relu":
            self._from_relu.update(node.output)
        if node.output[0] in outputs:
            copied.output[0] = f"{node.output[0]}_exact"
            self._round(copied.output[0], node.output[0], node.op_type == "Relu")

    def dequantize_weight(self, site: _CallSite) -> None:
        """Adds the nodes that compute a weight, under its own name and in its own layout, from its codes."""
        weight, grouped, tensors = site.weight, site.grouped, self._codes[site.weight]
        self.constants += tensors
        read, names = f"{weight}_read", [tensor.name for tensor in tensors]
        outputs = [weight if grouped is None else read]
        self.nodes.append(helper.make_node("DequantizeLinear", names, outputs, name=read, axis=site.axis))
        if grouped is None:
            return
        split, swapped = f"{weight}_split", f"{weight}_swapped"
        axes = (grouped.groups, grouped.out_channels // grouped.groups, *grouped.weight_shape[1:])
        order = [0, 2, 1, *range(3, len(axes))]
        stored = grouped.parameter_shapes["weight"]
        for name, shape in ((f"{split}_shape", axes), (f"{weight}_shape", stored)):
            self.constants.append(numpy_helper.from_array(np.array(shape), name))
        self.nodes += [
            helper.make_node("Reshape", [read, f"{split}_shape"], [split], name=split),
            helper.make_node("Transpose", [split], [swapped], name=swapped, perm=order),
            helper.make_node("Reshape", [swapped, f"{weight}_shape"], [weight], name=f"{weight}_stored"),
        ]

    def _look_up(self, node: onnx.NodeProto) -> None:
        """Adds the nodes that look up rows of codes and multiply each by the step of its row."""
        codes, scales, _ = self._codes[node.input[0]]
        column = numpy_helper.from_array(numpy_helper.to_array(scales)[:, None], scales.name)
        self.constants += [tensor for tensor in (codes, column) if tensor not in self.constants]
        name, (_, rows), (out,) = node.name, node.input, node.output
        self.nodes += [
            helper.make_node("Gather", [codes.name, rows], [f"{out}_codes"], name=f"{name}_codes"),
            helper.make_node("Cast", [f"{out}_codes"], [f"{out}_float"], name=f"{name}_cast", to=TensorProto.FLOAT),
            helper.make_node("Gather", [column.name, rows], [f"{out}_steps"], name=f"{name}_steps"),
            helper.make_node("Mul", [f"{out}_float", f"{out}_steps"], [out], name=f"{name}_scaled"),
        ]

    def _round(self, source: str, target: str, positive: bool) -> None:
        """Adds the nodes that round the value `source` to the value `target`; `positive` if it is never negative."""
        grid = [*self._step_and_zero(_ZERO if positive else _NEAR_MIDDLE)]
        codes = f"{target}_codes"
        self.nodes.append(helper.make_node("QuantizeLinear", [source, *grid], [codes], name=f"{target}_quantize"))
        self.nodes.append(helper.make_node("DequantizeLinear", [codes, *grid], [target], name=f"{target}_dequantize"))

    def _step_and_zero(self, zero_point: int) -> tuple[str, str]:
        """Names of the constants of step and zero point, which are added once for each zero point."""
        if zero_point not in self._grid:
            names = f"step_{zero_point}", f"zero_{zero_point}"
            values = np.float32(_STEP), np.uint8(zero_point)
            pairs = zip(values, names, strict=True)
            self.constants += [numpy_helper.from_array(np.asarray(value), name) for value, name in pairs]
            self._grid[zero_point] = names
        return self._grid[zero_point]


def _find_reader(node: onnx.NodeProto, unit: Unit, graph: onnx.GraphProto) -> str:
    """The name of the node that reads the input of a unit: the convolution itself, or a Pad node for uneven padding."""
    operator = unit.call.operator
    uneven = isinstance(operator, Convolution) and any(before != after for before, after in operator.padding)
    source = next((one for one in graph.node if node.input[0] in one.output), node)
    return source.name if uneven and source.op_type == "Pad" else node.name


def _find_output(node: onnx.NodeProto, unit: Unit, readers: Mapping[str, list[onnx.NodeProto]]) -> str:
    """The name of the value that is rounded as the output of a unit: after its bias, and after a ReLU."""
    name = node.output[0]
    if node.op_type == "MatMul" and len(unit.call.parameters) > 1:
        name = readers[name][0].output[0]
    if unit.rescaled is unit.activation:
        name = readers[name][0].output[0]
    return str(name)


def _round_weight(weight: onnx.TensorProto, site: _CallSite) -> tuple[onnx.TensorProto, ...]:
    """The codes of a weight, shape (out, ...) but for `site.axis`; steps and zero points, shape (out,)."""
    value: NDArray[Any] = numpy_helper.to_array(weight)
    if (grouped := site.grouped) is not None:
        axes = (grouped.groups, grouped.in_channels // grouped.groups, grouped.out_channels // grouped.groups)
        value = value.reshape(*axes, *grouped.kernel).swapaxes(1, 2).reshape(grouped.weight_shape)
    others = tuple(other for other in range(value.ndim) if other != site.axis)
    step = np.maximum(np.abs(value).max(axis=others) / 127, 1e-12).astype(np.float32)
    codes = np.round(value / np.expand_dims(step, others)).astype(np.int8)
    parts = {"codes": codes, "step": step, "zero": np.zeros(len(step), np.int8)}
    return tuple(numpy_helper.from_array(array, f"{weight.name}_{part}") for part, array in parts.items())


def _halve(codes: onnx.TensorProto, *grid: onnx.TensorProto) -> tuple[onnx.TensorProto, ...]:
    """Codes that need a bit less, and the same steps and zero points."""
    return numpy_helper.from_array(numpy_helper.to_array(codes) // np.int8(2), codes.name), *grid
