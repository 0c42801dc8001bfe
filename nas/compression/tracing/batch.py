"""The batch axis of an exported program: sizes as multiples of the batch, and shapes without the batch axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from search_spaces.operators.operator import Shape


class UnknownSize(ValueError):
    """A size that is neither a number nor a multiple of the batch size."""


@dataclass(frozen=True)
class Batch:
    """The batch size of an exported program: symbols that stand for it, or a number if it is fixed.

    Attributes:
        symbols: The symbols of torch for the first axes of the inputs; empty if the batch size is fixed.
        size: The fixed batch size; 0 if it is not fixed.
    """

    symbols: frozenset[Any]
    size: int

    @classmethod
    def from_inputs(cls, inputs: Iterable[Tensor]) -> Batch:
        """The batch of a program.

        Args:
            inputs: The inputs of the program as the exporter traced them, each of shape (batch, ...).
        """
        sizes: list[Any] = [tensor.shape[0] for tensor in inputs]
        symbols = frozenset(size.node.expr for size in sizes if isinstance(size, torch.SymInt))
        fixed = next((size for size in sizes if not isinstance(size, torch.SymInt)), 0)
        return cls(symbols if not fixed else frozenset(), fixed)

    def multiple(self, size: Any) -> int:
        """The factor of a size that is a multiple of the batch size; 0 if the size does not depend on the batch.

        Raises:
            UnknownSize: If the size depends on the batch, or on an input, in another way.
        """
        if not isinstance(size, torch.SymInt):
            return 0
        expression = size.node.expr
        taking_part = expression.free_symbols
        if not taking_part:
            return 0
        if not taking_part <= self.symbols:
            raise UnknownSize(f"a size must be a number or a multiple of the batch, got {expression}")
        factor = expression.subs(dict.fromkeys(self.symbols, 1))
        if expression.subs(dict.fromkeys(self.symbols, 7)) != 7 * factor or not factor.is_integer:
            raise UnknownSize(f"a size must be a number or a multiple of the batch, got {expression}")
        return int(factor)

    def leads(self, shape: Sequence[Any]) -> int:
        """The factor of a first axis that is a multiple of the batch; 0 if it is none or a later axis depends on it."""
        if not self.symbols:
            return shape[0] // self.size if len(shape) and shape[0] % self.size == 0 else 0
        if not len(shape) or any(map(self.multiple, shape[1:])):
            return 0
        return self.multiple(shape[0])

    def without(self, shape: Sequence[Any]) -> Shape:
        """The shape without the batch axis; axes that are several times the batch are divided by it."""
        if (times := self.leads(shape)) == 1:
            return tuple(map(int, shape[1:]))
        if not self.symbols:
            return (times, *shape[1:]) if times else tuple(shape)
        return tuple(self.multiple(side) or int(side) for side in shape)
