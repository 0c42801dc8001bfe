"""ONNX graphs of untrained layers, in the form in which trained ones are exported.

Nodes and constants are added one after the other; in the end they are a serialised network to be timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hardware.profiling.onnx_call import Call
from hardware.profiling.onnx_forms import write_operator
from hardware.profiling.workload import OnnxNetwork
from search_spaces.layer_spec import RELU, LayerSpec
from search_spaces.operators.operator import Operator, Shape
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.weighted import Convolution, Linear

_OPSET = 21  # as exports are written, before they name the oldest in which their nodes mean the same
_IR_VERSION = 10  # the version of this opset; onnxruntime refuses versions that are newer than itself
_STEP = np.float32(0.02)  # step of every quantised activation; latencies do not depend on it
MIDDLE = np.uint8(128)  # zero point of activations that may be negative
ZERO = np.uint8(0)
_BYTE = 8  # bits of the widest codes
_SHARED_ELEMENTS = 4096  # larger constants are weights, which are all different


@dataclass
class OnnxGraph:
    """A network under construction.

    Attributes:
        nodes: The nodes so far, in order.
        constants: Weights and other constants. Small constants that are equal are stored once, as in exports.
        rng: Source of the random weights.
    """

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    _names: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def node(self, op: str, inputs: list[str], attributes: dict[str, Any] | None = None) -> str:
        """Adds a node and returns the name of its output.

        Args:
            op: Type of the node, such as `Conv`.
            inputs: Names of the values that it reads.
            attributes: Attributes of the node, by name.
        """
        output = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **(attributes or {})))
        return output

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """The name of a constant of any shape, which is added unless it is small and there already."""
        array = np.asarray(values)
        key = (array.dtype.str, array.shape, array.tobytes() if array.size < _SHARED_ELEMENTS else b"")
        if key in self._names and key[2]:
            return self._names[key]
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        self._names[key] = name
        return name

    def quantize(self, values: str, zero_point: np.uint8) -> str:
        """Adds the quantisation of floats to uint8 codes.

        Args:
            values: Name of the float values.
            zero_point: The code of 0.
        """
        return self.node("QuantizeLinear", [values, self.constant(_STEP), self.constant(zero_point)])

    def dequantize(self, codes: str, zero_point: np.uint8, channels: int | None = None) -> str:
        """Adds the dequantisation of uint8 codes to floats.

        Args:
            codes: Name of the codes.
            zero_point: The code of 0.
            channels: Number of channels, to write a step for each (all equal), as exports may; None writes one step.
        """
        if channels is None:
            return self.node("DequantizeLinear", [codes, self.constant(_STEP), self.constant(zero_point)])
        grid = [self.constant(np.full(channels, value)) for value in (_STEP, zero_point)]
        return self.node("DequantizeLinear", [codes, *grid], {"axis": 1})

    def float_layer(self, values: str, layer: LayerSpec) -> str:
        """Adds a layer in floating point, with folded bias and activation.

        Args:
            values: Name of its input.
            layer: The layer; its weights are random.
        """
        shape, _ = _stored(layer)
        weights = self.rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(_inputs(layer)))
        return self.activation(self._weighted(values, self.constant(weights), layer), layer.activation)

    def int8_layer(self, values: str, layer: LayerSpec, weight_bits: int = _BYTE) -> tuple[str, np.uint8]:
        """Adds an 8-bit layer, with its ReLU if it has one but no other activation.

        The weights are codes with a step per channel, stored as those of exports: codes of 8 bits are unsigned, because
        kernels of x86 processors without VNNI saturate where one code is signed; codes of fewer bits are signed.

        Args:
            values: Name of its input, which are dequantised values.
            layer: The layer; its weights are random.
            weight_bits: Bit-width of the weights, 2 to 8.

        Returns:
            The name of the codes of its output, and their zero point.
        """
        codes, scales = self._codes(layer, weight_bits)
        kind, middle = (np.uint8, MIDDLE) if weight_bits == _BYTE else (np.int8, np.int8(0))
        weights, zeros = self.constant((codes + middle).astype(kind)), self.constant(np.full(len(scales), middle))
        axis = {"axis": _stored(layer)[1]}
        dequantized = self.node("DequantizeLinear", [weights, self.constant(scales), zeros], axis)
        outputs, zero_point = self._weighted(values, dequantized, layer), MIDDLE
        if layer.activation == RELU:
            outputs, zero_point = self.activation(outputs, RELU), ZERO
        return self.quantize(outputs, zero_point), zero_point

    def int8_rows(self, rows: str, layer: LayerSpec) -> str:
        """Adds an 8-bit embedding, whose codes are multiplied by the step of their row.

        Args:
            rows: Name of the indices of the rows.
            layer: The embedding; its weights are random.
        """
        codes, scales = self._codes(layer)
        looked_up = self.node("Gather", [self.constant(codes.astype(np.int8)), rows])
        floats = self.node("Cast", [looked_up], {"to": TensorProto.FLOAT})
        return self.node("Mul", [floats, self.node("Gather", [self.constant(scales[:, None]), rows])])

    def activation(self, values: str, activation: Activation | None) -> str:
        """Adds an activation function and returns the name of its output, or `values` if there is none.

        Args:
            values: Name of its input.
            activation: The function, or None.
        """
        return values if activation is None else self.operator(activation, values)

    def operator(self, operator: Operator, *values: str, parameters: Sequence[str] = (), shape: Shape = ()) -> str:
        """Adds any operator that has an ONNX form.

        Args:
            operator: The operator.
            values: Names of its inputs.
            parameters: Names of the constants that are its stored tensors.
            shape: Shape of its first input, without the batch axis, if the form depends on it.
        """
        return write_operator(Call(self, operator, values, parameters, [shape]))

    def network(
        self,
        name: str,
        data_type: int,
        shape: tuple[int | str, ...],
        outputs: list[str],
        output_type: int,
        batch: int = 1,
    ) -> OnnxNetwork:
        """The finished network; nodes whose outputs are not needed are left out.

        Args:
            name: Name of its one input.
            data_type: Data type of the input.
            shape: Shape of the input. A text in place of a size names an axis of any size, which is the batch axis.
            outputs: Names of its outputs.
            output_type: Data type of every output.
            batch: Number of inputs per inference, which replaces a text in `shape` when the network is run.
        """
        read = {*outputs}
        nodes = []
        for node in reversed(self.nodes):
            if read.intersection(node.output):
                read.update(node.input)
                nodes.append(node)
        source = helper.make_tensor_value_info(name, data_type, shape)
        sinks = [helper.make_tensor_value_info(output, output_type, None) for output in outputs]
        graph = helper.make_graph(nodes[::-1], "network", [source], sinks, self.constants)
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        return OnnxNetwork(model.SerializeToString(), tuple(batch if isinstance(side, str) else side for side in shape))

    def _codes(self, layer: LayerSpec, bits: int = _BYTE) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Random codes of a weight, such as from -127 to 127 of 8 bits, and the step of each of its channels."""
        shape, axis = _stored(layer)
        most = 2 ** (bits - 1) - 1
        # uniform codes have a deviation of their largest / 1.7, so outputs have about the variance of the inputs
        typical = 1.7 / most / np.sqrt(_inputs(layer))
        codes = self.rng.integers(-most, most + 1, shape)
        return codes, (typical * self.rng.uniform(0.8, 1.2, shape[axis])).astype(np.float32)

    def _weighted(self, values: str, weights: str, layer: LayerSpec) -> str:
        """Adds the operator of a layer with its bias; a normalisation is a bias here, as in an export."""
        if _is_product(layer):
            product = self.node("MatMul", [values, weights])
            bias = [self.constant(self.rng.normal(0.0, 0.1, layer.out_channels).astype(np.float32))]
            return self.node("Add", [product, *bias]) if "bias" in layer.operator.parameter_shapes else product
        parameters = [weights]
        if layer.normalized or "bias" in layer.operator.parameter_shapes:
            parameters.append(self.constant(self.rng.normal(0.0, 0.1, layer.out_channels).astype(np.float32)))
        return self.operator(layer.operator, values, parameters=parameters, shape=layer.input_shape)


def _is_product(layer: LayerSpec) -> bool:
    """Whether it is a linear layer of several rows, which exports write as a product of matrices."""
    return isinstance(layer.operator, Linear) and len(layer.input_shape) > 1


def _stored(layer: LayerSpec) -> tuple[Shape, int]:
    """Shape of the weight as ONNX reads it, and its axis of output channels."""
    if _is_product(layer):
        return layer.weight_shape[::-1], 1
    if isinstance(layer.operator, Convolution) and layer.operator.transposed:
        return layer.operator.parameter_shapes["weight"], 1
    return layer.weight_shape, 0


def _inputs(layer: LayerSpec) -> int:
    """Number of products that are summed for one output."""
    return prod(layer.weight_shape[1:])
