"""Operators that join activations: products, attention, sums, gates and concatenations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from search_spaces.operators.attributes import Axis
from search_spaces.operators.operator import Operator, Shape, broadcast_shapes, check_inputs


@dataclass(frozen=True, slots=True)
class MatrixProduct(Operator):
    """The product of two activations, (..., rows, inner) and (..., inner, columns)."""

    name: ClassVar[str] = "matrix_product"

    def output_shape(self, *inputs: Shape) -> Shape:
        fits = len(inputs) == 2 and min(map(len, inputs)) >= 2 and inputs[0][-1] == inputs[1][-2]
        check_inputs(fits, self, "(..., rows, inner) and (..., inner, columns)", inputs)
        first, second = inputs
        return (*broadcast_shapes(first[:-2], second[:-2]), first[-2], second[-1])

    def macs(self, *inputs: Shape) -> int:
        return math.prod(self.output_shape(*inputs)) * inputs[0][-1]


@dataclass(frozen=True, slots=True)
class Attention(Operator):
    """Scaled dot-product attention (Vaswani et al., NeurIPS 2017): softmax(q k^T scale + mask) v.

    It reads queries (..., heads, rows, width), keys (..., key_heads, columns, width), values (..., key_heads, columns,
    value_width) and, as an optional fourth input, a mask that is broadcast to (..., heads, rows, columns). A mask of
    numbers is added to the scores; in a mask of booleans, True lets a query see a key. Where there are fewer key heads
    than heads, consecutive heads share a key head (grouped-query attention).

    Attributes:
        scale: Factor of the products of queries and keys; None stands for 1 / sqrt(width).
        causal: Whether the query of index i sees only the keys of indices up to i.
    """

    name: ClassVar[str] = "attention"
    scale: float | None = None
    causal: bool = False

    def output_shape(self, *inputs: Shape) -> Shape:
        wanted = "queries, keys, values of (..., rows, width) and perhaps a mask"
        check_inputs(len(inputs) in (3, 4) and min(map(len, inputs[:3])) >= 2, self, wanted, inputs)
        query, key, value = inputs[:3]
        grouped = len(query) > 2 and len(key) > 2 and key[-3] != query[-3]
        heads_fit = query[-3] % key[-3] == 0 if grouped else query[:-2] == key[:-2]
        fits = heads_fit and query[-1] == key[-1] and key[:-1] == value[:-1]
        check_inputs(fits, self, wanted, inputs)
        return (*query[:-1], value[-1])

    def macs(self, *inputs: Shape) -> int:
        query, key, value = inputs[:3]
        return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


@dataclass(frozen=True, slots=True)
class Add(Operator):
    """The sum of two values, one broadcast to the other."""

    name: ClassVar[str] = "add"

    def output_shape(self, *inputs: Shape) -> Shape:
        check_inputs(len(inputs) == 2, self, "two values", inputs)
        return broadcast_shapes(*inputs)


@dataclass(frozen=True, slots=True)
class Multiply(Operator):
    """The elementwise product of two values, one broadcast to the other, such as the gate of squeeze-and-excite."""

    name: ClassVar[str] = "multiply"

    def output_shape(self, *inputs: Shape) -> Shape:
        check_inputs(len(inputs) == 2, self, "two values", inputs)
        return broadcast_shapes(*inputs)


@dataclass(frozen=True, slots=True)
class Concatenate(Operator):
    """Values one after the other along an axis.

    Attributes:
        axis: The axis, counted from the end and so below 0.
    """

    name: ClassVar[str] = "concatenate"
    axis: Axis

    def output_shape(self, *inputs: Shape) -> Shape:
        first = inputs[0] if inputs else ()
        index = len(first) + self.axis
        others = {(*shape[:index], *shape[index + 1 :]) for shape in inputs}
        fits = 0 <= index < len(first) and len(others) == 1 and len(set(map(len, inputs))) == 1
        check_inputs(fits, self, f"values that differ only in axis {self.axis}", inputs)
        return (*first[:index], sum(shape[index] for shape in inputs), *first[index + 1 :])
