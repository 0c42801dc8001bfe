"""How the tensors between the layers of networks are made and read: what decides which conversions a runtime adds.

In: genes of a joint space. Out: a number for the use of every tensor, and its elements. Knows no cost and no runtime.

Where an 8-bit layer follows a floating-point one, or the other way round, a runtime quantises, dequantises and changes
the layout of the tensor between them. What it does depends on who makes the tensor and who reads it, hardly on anything
farther away. Both together are the use of the tensor, one number: its form plus `2**8` times its readers.

The form is 0 for the input of the network, 1 of a floating-point layer, 2 of an 8-bit layer, 3 of an 8-bit layer whose
activation is computed in floating point (any but ReLU); and `8 + 8 * a + b` of a sum, `72 + 8 * a + b` of a gate and
`136 + a` of a pooling, where `a` and `b` are the classes of their inputs. The class of a form is the form itself up to
3; 4 of sums of floating-point layers and such sums, 5 of other sums, 6 of gates, 7 of poolings.

The readers are, from the lowest bit: the 8-bit layers (2 bits), the floating-point layers (2), whether a pooling (1) or
an addition or gate (1) reads it; and of the latter whether it is a gate (1), the class of its other input (3) and its
own readers (the lowest 6 bits of them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

import numpy as np
from numpy.typing import NDArray

from hardware.device import Device
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.dataflow import IMAGES, Node
from search_spaces.joint_space import JointSpace
from search_spaces.layers import RELU, LayerSpec
from search_spaces.space import BoolArray, Genes
from search_spaces.tabulated_slot import TabulatedSlot

IntArray = NDArray[np.int32]
NO_TENSOR = -1

_IMAGE, _FLOAT, _CODES, _ACTIVATED = range(4)
FORMS = 1 << 8  # all forms are below
_SUM, _GATE, _POOL = 8, 72, 136
_FIRST_FORM = {"add": _SUM, "gate": _GATE, "pool": _POOL}
_INT8_READER, _FLOAT_READER, _POOL_READER, _JOIN_READER, _GATE_READER = 1, 1 << 2, 1 << 4, 1 << 5, 1 << 6
_MOST_LAYERS = 3
_PARTNER, _BEYOND = 7, 10  # where the partner's class and the readers beyond a join begin
_OWN_READERS = (1 << 6) - 1


def form(use: IntArray) -> IntArray:
    """How tensors are made, of their uses."""
    return use % FORMS


class TensorUses:
    """The uses of the tensors of all networks of a space.

    Args:
        space: The joint space.
        device: Decides which layers compute on integers.

    Raises:
        ValueError: If the device has no kernel for a policy of the space, or a tensor has too many readers.
    """

    def __init__(self, space: JointSpace, device: Device) -> None:
        _check_readers(space.architectures.nodes)
        kernels = [device.kernel(policy) for policy in space.policies.policies]
        quantized = np.array([kernel.activation_bits < FULL_PRECISION_BITS for kernel in kernels])
        first_policy = len(space.architectures.choices)
        self._nodes = space.architectures.nodes
        self._slots = {
            slot.name: _Slot(tabulated, first_policy + number, quantized)
            for number, (slot, tabulated) in enumerate(zip(space.architectures.slots, space.slots, strict=True))
        }

    def __call__(self, genes: Genes) -> tuple[IntArray, FloatArray]:
        """Uses and elements of the tensors, both of shape (n, tensors), of networks of genes of shape (n, d).

        A tensor that a network lacks has the use `NO_TENSOR` and no elements.
        """
        walk = _Walk({name: slot.layers(genes) for name, slot in self._slots.items()})
        for node in self._nodes:
            walk.make(node)
        for node in reversed(self._nodes):
            walk.read(node)
        return walk.tensors()


@dataclass(frozen=True, slots=True)
class _Layers:
    """What n networks have in a slot; every array has shape (n,)."""

    filled: BoolArray
    quantized: BoolArray
    activated: BoolArray
    elements: FloatArray
    input_elements: FloatArray


class _Slot:
    """What may stand in a slot, for all values of its genes."""

    def __init__(self, slot: TabulatedSlot, policy_gene: int, quantized: BoolArray) -> None:
        self._slot, self._policy_gene, self._quantized = slot, policy_gene, quantized
        self._activated = self._tabulated(lambda layer: layer.activation not in (None, RELU))
        self._elements = self._tabulated(lambda layer: layer.activations)
        self._input_elements = self._tabulated(lambda layer: prod(layer.input_shape))

    def layers(self, genes: Genes) -> _Layers:
        at = tuple(genes[:, column] for column in self._slot.columns)
        return _Layers(
            self._slot.filled(genes),
            self._quantized[genes[:, self._policy_gene]],
            self._activated[at] > 0,
            self._elements[at],
            self._input_elements[at],
        )

    def _tabulated(self, value: Callable[[LayerSpec], float]) -> FloatArray:
        values = [value(layer) if layer else 0.0 for layer in self._slot.layers]
        return np.array(values, dtype=float).reshape(self._slot.cardinalities)


class _Walk:
    """A walk through the tensors of n networks: forwards to see how each is made, backwards to see who reads it."""

    def __init__(self, layers: Mapping[str, _Layers]) -> None:
        first = next(iter(layers.values()))
        zeros = np.zeros(len(first.filled), dtype=np.int32)
        self._layers = layers
        self._present: dict[str, BoolArray] = {IMAGES: zeros == 0}
        self._same: dict[str, IntArray] = {IMAGES: zeros}  # equal where two names stand for the same tensor
        self._form: dict[str, IntArray] = {IMAGES: zeros + _IMAGE}
        self._elements: dict[str, FloatArray] = {IMAGES: first.input_elements}
        self._readers: dict[str, IntArray] = {IMAGES: zeros}

    def make(self, node: Node) -> None:
        first = node.inputs[0]
        if node.kind == "layer":
            layer = self._layers[node.name]
            present, elements = layer.filled, layer.elements
            own = np.where(layer.quantized, np.where(layer.activated, _ACTIVATED, _CODES), _FLOAT)
        else:
            present, elements = self._joins(node), self._elements[first]
            classes = [_CLASS_OF[self._form[name]] for name in node.inputs]
            own = _FIRST_FORM[node.kind] + reduce(lambda a, b: 8 * a + b, classes)
        self._present[node.name] = present
        self._same[node.name] = np.where(present, len(self._same), self._same[first])
        self._form[node.name] = np.where(present, own, self._form[first])
        self._elements[node.name] = np.where(present, elements, self._elements[first])
        self._readers[node.name] = np.zeros(len(present), dtype=np.int32)

    def read(self, node: Node) -> None:
        readers, present = self._readers[node.name], self._present[node.name]
        if node.kind == "layer":
            reading = [np.where(self._layers[node.name].quantized, _INT8_READER, _FLOAT_READER)]
        elif node.kind == "pool":
            present = self._present[node.name] = present & (readers > 0)
            reading = [np.full(len(present), _POOL_READER)]
        else:
            kind = _JOIN_READER | (_GATE_READER if node.kind == "gate" else 0)
            partners = [_CLASS_OF[self._form[name]] << _PARTNER for name in reversed(node.inputs)]
            reading = [kind + partner + ((readers & _OWN_READERS) << _BEYOND) for partner in partners]
        passed_on = [readers, np.zeros_like(readers)]  # where the node is missing, who reads it reads its first input
        for name, reader, instead in zip(node.inputs, reading, passed_on, strict=False):
            self._readers[name] = self._readers[name] + np.where(present, reader, instead)

    def tensors(self) -> tuple[IntArray, FloatArray]:
        uses = [
            np.where(present, self._form[name] + FORMS * self._readers[name], NO_TENSOR)
            for name, present in self._present.items()
        ]
        elements = [np.where(present, self._elements[name], 0.0) for name, present in self._present.items()]
        return np.stack(uses, axis=1).astype(np.int32), np.stack(elements, axis=1)

    def _joins(self, node: Node) -> BoolArray:
        first, last = node.inputs[0], node.inputs[-1]
        if node.kind == "add":
            return self._same[first] != self._same[last]
        return self._present[last] if node.kind == "gate" else np.ones_like(self._present[first])


def _check_readers(nodes: Sequence[Node]) -> None:
    for name in (IMAGES, *(node.name for node in nodes)):
        kinds = [node.kind for node in nodes if name in node.inputs]
        if (
            kinds.count("layer") > _MOST_LAYERS
            or kinds.count("pool") > 1
            or kinds.count("add") + kinds.count("gate") > 1
        ):
            raise ValueError(
                f"up to {_MOST_LAYERS} layers, one pooling and one addition or gate may read a value, but {name!r} is "
                f"read by {kinds}"
            )


def _classes() -> IntArray:
    classes = np.zeros(FORMS, dtype=np.int32)
    classes[:4] = range(4)
    floating = np.isin(range(8), (_FLOAT, 4))
    classes[_SUM:_GATE] = np.where(floating[:, None] & floating, 4, 5).ravel()
    classes[_GATE:_POOL], classes[_POOL:] = 6, 7
    return classes


_CLASS_OF = _classes()
