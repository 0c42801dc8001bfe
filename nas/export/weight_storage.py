"""Stores weights of few bits without gaps in an ONNX file; runtimes unpack them into 8 bits as they load it.

Runtimes have integer kernels for codes of 8 bits only. Nodes that depend on constants alone are run once, when a
session opens, so a packed file computes the same integers at the same speed. All weights are unpacked together, as
nodes of their own for each of them would take more space than the gaps do in small networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from nas.export.packed_codes import MULTIPLE, CodeForm, pack, split_planes
from nas.export.runtime_form import find_free_prefix
from nas.export.target import ExportTarget

# Bytes that nodes, names and small constants take: one tensor must save the former, all together the latter.
_BYTES_OF_TENSOR, _BYTES_OF_FILE = 128, 2048
_BYTES_OF_SHIFTS = 16  # of what planes are taken apart and joined by, at most, for each number of bits
_TYPES = {4: ir.DataType.UINT4, 2: ir.DataType.UINT2}  # by the width of a plane


def pack_weights(graph: ir.Graph, target: ExportTarget) -> None:
    """Replaces stored 8-bit codes that have fewer bits by packed ones and nodes that unpack them.

    Args:
        graph: The graph; it is changed, unless it would take no less space.
        target: The runtime that must load it, which decides how planes of bits are stored: as a type of so few bits
            where it has one, as bytes that are shifted else.
    """
    forms = {}
    for value in graph.initializers.values():
        if value.dtype == ir.DataType.INT8 and _is_weight(value):
            form = CodeForm.find(_read(value))
            if _count_saved(value, form) >= _BYTES_OF_TENSOR:
                forms[value] = form
    if sum(_count_saved(value, form) for value, form in forms.items()) >= _BYTES_OF_FILE:
        _Unpacking(graph, target.list_types()).unpack(forms)


def predict_bytes(tensors: Iterable[tuple[float, int]]) -> float:
    """The bytes that packed tensors of codes take with the tables of their codes, but for nodes and names.

    Args:
        tensors: The number of codes of each, and their bits, from 1 to 8.
    """
    counts = [*tensors]
    packed = [one for one in counts if one[0] * (8 - one[1]) // 8 >= _BYTES_OF_TENSOR]
    saved = sum(count * (8 - bits) // 8 for count, bits in packed)
    tables = sum(2**bits + _BYTES_OF_SHIFTS for bits in {bits for _, bits in packed})
    return sum(count for count, _ in counts) - (saved - tables if saved >= _BYTES_OF_FILE else 0)


def _read(value: ir.Value) -> NDArray[np.int8]:
    """The codes of a stored tensor."""
    assert value.const_value is not None
    codes: NDArray[np.int8] = value.const_value.numpy()
    return codes


def _is_weight(value: ir.Value) -> bool:
    """Whether all readers of a stored tensor read codes: each dequantises it, or looks up rows of it."""
    uses = value.uses()
    return bool(uses) and all(node.op_type in ("DequantizeLinear", "Gather") and not index for node, index in uses)


def _count_saved(value: ir.Value, form: CodeForm) -> int:
    """Bytes that are saved by storing codes without gaps."""
    return _read(value).size * (8 - form.bits) // 8


class _Unpacking:
    """Adds the nodes that unpack codes, before all others.

    Args:
        graph: The graph.
        types: Widths in bits for which a plane is stored as a type of so few bits.
    """

    def __init__(self, graph: ir.Graph, types: Iterable[int]) -> None:
        self._graph, self._first, self._types = graph, graph[0], frozenset(types)
        self._prefix = find_free_prefix(graph, "w")

    def unpack(self, forms: Mapping[ir.Value, CodeForm]) -> None:
        """Lets all that read stored codes read what nodes unpack.

        Args:
            forms: The form of each stored tensor of codes.
        """
        groups = {form: [*values] for form, values in groupby(sorted(forms, key=forms.__getitem__), forms.__getitem__)}
        planes: dict[int, dict[CodeForm, NDArray[np.uint8]]] = {}
        for form, values in groups.items():
            indices = np.concatenate([form.index(_read(value)).ravel() for value in values])
            filled = np.append(indices, np.zeros(-len(indices) % MULTIPLE, np.uint8))
            for width, numbers in split_planes(filled, form).items():
                planes.setdefault(width, {})[form] = numbers
        bits: dict[CodeForm, list[ir.Value]] = {form: [] for form in groups}
        for width in sorted(planes, reverse=True):
            whole = self._unpack_plane(width, np.concatenate([*planes[width].values()]))
            sizes = [len(numbers) for numbers in planes[width].values()]
            for form, part in zip(planes[width], self._split(whole, sizes, f"p{width}"), strict=True):
                bits[form].append(part)
        for form, values in groups.items():
            self._unpack_form(form, bits[form], values)

    def _unpack_plane(self, width: int, numbers: NDArray[np.uint8]) -> ir.Value:
        """The numbers of a plane, int32, shape (numbers,)."""
        name, packed = f"p{width}", pack(numbers, width)
        if width in self._types:
            stored = ir.PackedTensor(packed, _TYPES[width], shape=ir.Shape(numbers.shape), name=self._prefix + name)
            return self._add("Cast", [self._register(name, stored)], f"{name}.wide", to=ir.DataType.INT32)
        # the bits above a number are lost to the left, those below it to the right
        above = np.arange(8 - width, -1, -width, dtype=np.uint8)
        value = self._constant(name, packed[:, None])
        value = self._add("BitShift", [value, self._constant(f"{name}.above", above)], f"{name}.left", direction="LEFT")
        below = self._constant(f"{name}.below", np.uint8(8 - width))
        value = self._add("BitShift", [value, below], f"{name}.right", direction="RIGHT")
        value = self._add("Reshape", [value, self._constant("flat", np.array([-1]))], f"{name}.flat")
        return self._add("Cast", [value], f"{name}.wide", to=ir.DataType.INT32)

    def _unpack_form(self, form: CodeForm, planes: Sequence[ir.Value], values: Sequence[ir.Value]) -> None:
        """Joins the planes of tensors of one form, looks their codes up, and replaces each of the tensors."""
        name, indices = f"{form.bits}.{form.shift}", planes[0]
        for width, plane in zip(form.planes[1:], planes[1:], strict=True):
            room = self._constant(f"room{width}", np.int32(2**width))
            indices = self._add("Mul", [indices, room], f"{name}.high{width}")
            indices = self._add("Add", [indices, plane], f"{name}.index{width}")
        codes = self._add("Gather", [self._constant(f"{name}.table", form.values), indices], name)
        sizes = [_read(value).size for value in values]
        filling = -sum(sizes) % MULTIPLE
        parts = self._split(codes, [*sizes, filling] if filling else sizes, name)
        for value, part in zip(values, parts, strict=False):  # what fills up the last byte is not read
            shape = _read(value).shape
            sizes_name = "x".join(map(str, shape))
            self._graph.initializers.pop(str(value.name))
            unpacked = self._add("Reshape", [part, self._constant(sizes_name, np.array(shape))], "")
            unpacked.name = value.name
            value.replace_all_uses_with(unpacked)

    def _split(self, whole: ir.Value, sizes: Sequence[int], name: str) -> Sequence[ir.Value]:
        """Consecutive parts of a value of shape (numbers,)."""
        if len(sizes) == 1:
            return [whole]
        lengths = self._constant(f"{name}.sizes", np.array(sizes))
        node = ir.node("Split", [whole, lengths], num_outputs=len(sizes))
        for index, part in enumerate(node.outputs):
            part.name = f"{self._prefix}{name}.{index}"
        self._insert(node)
        return node.outputs

    def _add(self, operator: str, inputs: Sequence[ir.Value], name: str, **attributes: Any) -> ir.Value:
        """Adds a node and returns its output, which gets the name."""
        node = ir.node(operator, inputs, attributes)
        node.outputs[0].name = self._prefix + name
        self._insert(node)
        return node.outputs[0]

    def _insert(self, node: ir.Node) -> None:
        """Adds a node, without the name that the graph gives it: names take space, and no runtime keeps these nodes."""
        self._graph.insert_before(self._first, node)
        node.name = None

    def _constant(self, name: str, values: NDArray[Any] | np.generic) -> ir.Value:
        """A stored tensor by name, which several nodes may share."""
        stored = self._graph.initializers.get(self._prefix + name)
        return stored or self._register(name, ir.tensor(np.asarray(values), name=self._prefix + name))

    def _register(self, name: str, tensor: ir.TensorProtocol) -> ir.Value:
        """Stores a tensor under its name."""
        value = ir.Value(name=self._prefix + name, const_value=tensor)
        self._graph.register_initializer(value)
        return value
