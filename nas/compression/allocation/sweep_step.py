"""What each layer of a sweep adds, and which states it makes alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeVar

import numpy as np

from nas.compression.allocation.allocator import Unsupported
from nas.one_hot_program import Integers
from search_spaces.additive_cost import FloatArray

_MOST_OPEN = 4096  # combinations of choices of open layers: each has a frontier of its own

Scope = tuple[int, ...]
_Table = TypeVar("_Table")


@dataclass(frozen=True, eq=False)
class Step:
    """What a layer adds, by the choices of the layers that are open before it, and its own.

    Attributes:
        costs: Added costs, shape (combinations of open choices, choices).
        damages: Added damages, of the same shape.
        merged: For each combination of the choices that are open afterwards, the flat indices into `costs` from which
            it comes, shape (combinations afterwards, ways).
    """

    costs: Integers
    damages: FloatArray
    merged: Integers


def plan_steps(
    sizes: Sequence[int], damage: Sequence[tuple[Scope, FloatArray]], cost: Sequence[tuple[Scope, Integers]]
) -> list[Step]:
    """The steps of a sweep; a table is added at the last of its layers.

    Args:
        sizes: The number of choices of each layer.
        damage: Tables of damage: indices of their layers, rising, and an array of shape (choices of a layer, ...).
        cost: Tables of costs, of the same form.

    Raises:
        Unsupported: If the choices of layers that are open at once have more than 4,096 combinations.
    """
    costs_at, last = _sort_by_end(sizes, cost)
    damages_at, last_of_damage = _sort_by_end(sizes, damage)
    last = np.maximum(last, last_of_damage)
    steps: list[Step] = []
    before: list[int] = []
    for layer, size in enumerate(sizes):
        after = [one for one in (*before, layer) if last[one] > layer]
        known = [*before, layer]
        shape = [sizes[one] for one in known]
        if not prod(shape) <= _MOST_OPEN:
            raise Unsupported(
                f"layers {before} stand in tables with layer {layer} or later ones, and their choices have "
                f"{prod(shape):,} combinations, more than {_MOST_OPEN:,}; MilpAllocator takes such tables"
            )
        costs, damages = np.zeros(shape, np.int64), np.zeros(shape)
        for scope, units in costs_at[layer]:
            costs += units.reshape([sizes[one] if one in scope else 1 for one in known])
        for scope, values in damages_at[layer]:
            damages += values.reshape([sizes[one] if one in scope else 1 for one in known])
        label = np.zeros(shape, np.int64)
        for one in after:
            index = np.arange(sizes[one]).reshape([-1 if other == one else 1 for other in known])
            label = label * sizes[one] + index
        merged = np.argsort(label.ravel(), kind="stable").reshape(prod(sizes[one] for one in after), -1)
        steps.append(Step(costs.reshape(-1, size), damages.reshape(-1, size), merged))
        before = after
    return steps


def _sort_by_end(
    sizes: Sequence[int], tables: Sequence[tuple[Scope, _Table]]
) -> tuple[list[list[tuple[Scope, _Table]]], Integers]:
    """The tables by the last of their layers; and for each layer, the last one that it stands in a table with."""
    found: list[list[tuple[Scope, _Table]]] = [[] for _ in sizes]
    last = np.arange(len(sizes))
    for scope, table in tables:
        end = max(scope, default=0)
        found[end].append((scope, table))
        for layer in scope:
            last[layer] = max(last[layer], end)
    return found, last
