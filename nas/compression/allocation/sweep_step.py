"""What each layer adds to the tables of a problem, and which choices of the layers before go on alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.compression.allocation.allocator import Unsupported
from nas.one_hot_program import Integers, number_distinct

_MOST_OPEN = 4096  # combinations of what is open before a layer, which has a frontier each, and its choices

Scope = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """What a layer adds, by what is open before it, and its own choice.

    Choices of the layers before are alike if the entries of all tables that join these to later layers are equal for
    them: to a conversion, it is all one whether an integer layer has weights of 8 bits or of 4, and to the layers
    behind an addition, which of its inputs is in floating point.

    Attributes:
        added: For each table that ends with this layer, by its index, the entries, shape (what is open, choices).
        merged: For each of what is open afterwards, the flat indices of (what is open, choices) from which it comes,
            shape (ways,).
    """

    added: Mapping[int, NDArray[Any]]
    merged: list[Integers]


@dataclass(eq=False)
class _Table:
    """A table whose first layers are swept.

    Attributes:
        scope: The layers that are not swept yet.
        rows: What is left of the table for different choices of the swept ones, shape (rows, choices of a layer, ...).
        row_of: For each of what is open, which of the rows it has left, shape (what is open,).
    """

    scope: Scope
    rows: NDArray[Any]
    row_of: Integers

    def take(self, size: int) -> Integers:
        """Sweeps the first layer that is left: the row of each of what is open, and each choice, shape (open, size)."""
        first, found = number_distinct(self.rows.reshape(len(self.rows) * size, -1))
        rest = self.rows.shape[2:]
        self.scope, self.rows = self.scope[1:], self.rows.reshape(-1, *rest)[first]
        return found.reshape(-1, size)[self.row_of]


def plan_steps(sizes: Sequence[int], tables: Sequence[tuple[Scope, NDArray[Any]]]) -> list[Step]:
    """The steps of a sweep; a table is added at the last of its layers.

    Args:
        sizes: The number of choices of each layer.
        tables: Indices of the layers of a table, rising, and an array of shape (choices of a layer, ...), each.

    Raises:
        Unsupported: If the choices of a layer and of those before that stand in tables with it or later ones have more
            than 4,096 combinations, of which those that are alike count once.
    """
    left = {
        # a constant is added at the first layer
        index: _Table(scope or (0,), table[None] if scope else np.tile(table, (1, sizes[0])), np.zeros(1, np.int64))
        for index, (scope, table) in enumerate(tables)
    }
    steps: list[Step] = []
    count = 1
    for layer, size in enumerate(sizes):
        if not count * size <= _MOST_OPEN:
            raise Unsupported(
                f"layers {_list_open(layer, tables)} stand in tables with layer {layer} or later ones, and what these "
                f"tell apart has with its choices {count * size:,} combinations, more than {_MOST_OPEN:,}; "
                "MilpAllocator takes such tables"
            )
        ending = {index: left.pop(index) for index in [*left] if left[index].scope == (layer,)}
        rows = [
            table.take(size) if table.scope[0] == layer else np.repeat(table.row_of[:, None], size, axis=1)
            for table in left.values()
        ]
        labels = np.stack([np.zeros((count, size), np.int64), *rows], axis=-1)
        first, found = number_distinct(labels.reshape(count * size, -1))
        count = len(first)
        for table, row in zip(left.values(), rows, strict=True):
            table.row_of = row.ravel()[first]
        merged = np.split(np.argsort(found, kind="stable"), np.cumsum(np.bincount(found))[:-1])
        steps.append(Step({index: table.rows[table.row_of] for index, table in ending.items()}, merged))
    return steps


def _list_open(layer: int, tables: Sequence[tuple[Scope, NDArray[Any]]]) -> list[int]:
    """The layers before one that stand in tables with it or later ones."""
    return sorted({one for scope, _ in tables if max(scope, default=0) >= layer for one in scope if one < layer})
