"""Which layers of a graph run in integers: those that are written so that a runtime can, and those that it does.

A layer is a node with a weight: a convolution, or a product with a matrix that depends on no input. In a written graph
it reads rounded activations and a rounded weight, each from a DequantizeLinear, and a runtime fuses the three; a
convolution only if its output, or what a ReLU makes of it, is rounded, too. A DequantizeLinear with a step for each
channel is left alone: that is how an exported file keeps a layer in floating point whose input is rounded (the rule
`WeightBiasQuantization` of onnxruntime would else quantise it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from nas.verification.onnx_reader import Graph, Node

# Operators with weights, and the places of both factors among their inputs; those of onnxruntime are in
# https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
_FLOAT = dict.fromkeys(
    ("Conv", "ConvTranspose", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "MatMul", "MatMulNBits"), (0, 1)
)
_INTEGER = {
    **dict.fromkeys(("ConvInteger", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat"), (0, 1)),
    **dict.fromkeys(("QGemm", "QLinearConv", "QLinearMatMul"), (0, 3)),
}
BIASED, _BIAS = ("Conv", "Gemm"), 2  # layers whose bias becomes an integer, and its place among their inputs
_ROUNDED_OUTPUT = ("Conv",)  # run in integers only if their outputs are rounded, too
_MERGED = ("Relu",)  # into the layer before
MOVING = (  # values, which stay what they are
    "Flatten", "Identity", "MaxPool", "Pad", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"
)  # fmt: skip
_FIRST_IS_DATA = ("DequantizeLinear", "Reshape", "Split")  # of their inputs; the others are steps and shapes


@dataclass(frozen=True)
class LayerCounts:
    """How many layers run in integers and in floating point.

    Attributes:
        integer: Those in integers.
        float: Those in floating point.
    """

    integer: int
    float: int


@dataclass(frozen=True)
class LayerGraph:
    """A graph and what is known of its values.

    Attributes:
        graph: The graph.
    """

    graph: Graph

    @cached_property
    def producers(self) -> dict[str, Node]:
        """The node that makes each value, by the name of the value."""
        return {name: node for node in self.graph.nodes for name in node.outputs if name}

    @cached_property
    def readers(self) -> dict[str, list[Node]]:
        """The nodes that read each value, by the name of the value."""
        readers: dict[str, list[Node]] = defaultdict(list)
        for node in self.graph.nodes:
            for name in {*node.inputs} - {""}:
                readers[name].append(node)
        return readers

    @cached_property
    def constants(self) -> set[str]:
        """Names of all values that depend on no input of the graph."""
        found = {*self.graph.stored}
        for node in self.graph.nodes:  # in the order of execution
            if all(name in found or not name for name in node.inputs):
                found.update(node.outputs)
        return found

    def list_layers(self) -> Iterator[tuple[Node, str, str]]:
        """Every layer: its node, and the names of its activations and of its weight."""
        for node in self.graph.nodes:
            places = _FLOAT.get(node.operator) or _INTEGER.get(node.operator)
            if places is None or len(node.inputs) <= max(places):
                continue
            factors = [node.inputs[place] for place in places]
            weights = [name for name in factors if name in self.constants]
            if len(weights) == 1:  # else both are activations, or nothing is computed of an input
                (activations,) = (name for name in factors if name not in self.constants)
                yield node, activations, weights[0]

    def count_run(self) -> LayerCounts:
        """The layers of an optimised graph as a runtime runs them."""
        kinds = [node.operator in _INTEGER for node, _, _ in self.list_layers()]
        return LayerCounts(sum(kinds), len(kinds) - sum(kinds))

    def count_written(self) -> LayerCounts:
        """The layers of a written graph as a runtime runs them that fuses nothing else than is said above."""
        kinds = [self._is_written_in_integers(*layer) for layer in self.list_layers()]
        return LayerCounts(sum(kinds), len(kinds) - sum(kinds))

    def count_rounded(self) -> int:
        """The layers of a written graph that read rounded activations and a rounded weight: no others may be integer.

        More of them run in integers than `count_written` tells where a runtime moves rounding past other nodes.
        """
        return sum(self._reads_rounded(activations, weight) for _, activations, weight in self.list_layers())

    def count_float_biases(self) -> int:
        """The layers of a written graph that can run in integers and add a bias in floating point."""
        return sum(
            len(node.inputs) > _BIAS and node.inputs[_BIAS] in self.graph.stored
            for node, activations, weight in self.list_layers()
            if node.operator in BIASED and self._reads_rounded(activations, weight)
        )

    def list_weights(self) -> set[str]:
        """Names of the stored tensors that become weights of layers, or tables of which rows are read."""
        wanted = [weight for _, _, weight in self.list_layers()]
        looked_up = (node for node in self.graph.nodes if node.operator == "Gather")
        wanted += [node.inputs[0] for node in looked_up if node.inputs[0] in self.constants]
        found: set[str] = set()
        while wanted:
            name = wanted.pop()
            if name in self.graph.stored:
                found.add(name)
            elif name in self.constants:
                node = self.producers[name]
                rest = node.inputs[:1] if node.operator in _FIRST_IS_DATA else node.inputs
                wanted += [one for one in rest if one]
        return found

    def _is_written_in_integers(self, node: Node, activations: str, weight: str) -> bool:
        is_direct = activations in self.producers and self.producers[activations].operator == "DequantizeLinear"
        if not is_direct or not self._reads_rounded(activations, weight):
            return False
        return node.operator not in _ROUNDED_OUTPUT or self._is_rounded(node.outputs[0])

    def _reads_rounded(self, activations: str, weight: str) -> bool:
        """Whether activations are rounded by one step for all channels, and a weight is rounded."""
        rounded, stored = self.producers.get(activations), self.producers.get(weight)
        while rounded is not None and rounded.operator in MOVING:
            rounded = self.producers.get(rounded.inputs[0])
        if rounded is None or rounded.operator != "DequantizeLinear":
            return False
        step = self.graph.stored.get(rounded.inputs[1])
        if step is None or step.shape not in ((), (1,)):  # a step for each channel
            return False
        return stored is not None and stored.operator == "DequantizeLinear"

    def _is_rounded(self, name: str) -> bool:
        """Whether all that read a value, or what a ReLU makes of it, round it."""
        readers = self.readers[name]
        if len(readers) == 1 and readers[0].operator in _MERGED:
            readers = self.readers[readers[0].outputs[0]]
        return bool(readers) and all(node.operator == "QuantizeLinear" for node in readers)
