"""The batch axis of an exported program: which sizes are multiples of the batch, and shapes without it."""

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
        symbols: Of the first axes of the inputs; empty if the batch is fixed.
        size: Of the example.
    """

    symbols: frozenset[Any]
    size: int

    @classmethod
    def from_inputs(cls, inputs: Iterable[Tensor]) -> Batch:
        """The batch of a program.

        Args:
            inputs: Its inputs as the exporter traced them, each of shape (batch, ...).
        """
        sizes: list[Any] = [tensor.shape[0] for tensor in inputs]
        symbols = frozenset(size.node.expr for size in sizes if isinstance(size, torch.SymInt))
        fixed = next((size for size in sizes if not isinstance(size, torch.SymInt)), 0)
        return cls(symbols if not fixed else frozenset(), fixed)

    def multiple(self, size: Any) -> int:
        """How many times the batch a size is; 0 if the batch does not take part.

        Raises:
            UnknownSize: If it takes part otherwise.
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
        """How many times the batch the first axis is, if the batch takes part in that one alone; else 0."""
        if not self.symbols:
            return shape[0] // self.size if len(shape) and shape[0] % self.size == 0 else 0
        if not len(shape) or any(map(self.multiple, shape[1:])):
            return 0
        return self.multiple(shape[0])

    def without(self, shape: Sequence[Any]) -> Shape:
        """A shape for one input: without the batch, or with its share of one input where it is a factor."""
        if (times := self.leads(shape)) == 1:
            return tuple(map(int, shape[1:]))
        if not self.symbols:
            return (times, *shape[1:]) if times else tuple(shape)
        return tuple(self.multiple(side) or int(side) for side in shape)
