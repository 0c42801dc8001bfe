"""What each layer of a sweep adds, and which states it makes alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nas.compression.allocation.allocator import Unsupported
from nas.one_hot_program import Integers, number_distinct
from search_spaces.additive_cost import FloatArray

_MOST_OPEN = 4096  # combinations of choices of open layers: each has a frontier of its own

Scope = tuple[int, ...]
_Table = TypeVar("_Table")


@dataclass(frozen=True, eq=False)
class Step:
    """What a layer adds, by the classes of choices of the layers that are open before it, and its own choice.

    Choices of a layer are of one class if all tables that join it to later layers have equal entries for them: to a
    conversion, it is all one whether an integer layer has weights of 8 bits or of 4.

    Attributes:
        costs: Added costs, shape (combinations of open classes, choices).
        damages: Added damages, of the same shape.
        merged: For each combination of the classes that are open afterwards, the flat indices into `costs` from which
            it comes, shape (ways,).
    """

    costs: Integers
    damages: FloatArray
    merged: list[Integers]


def plan_steps(
    sizes: Sequence[int], damage: Sequence[tuple[Scope, FloatArray]], cost: Sequence[tuple[Scope, Integers]]
) -> list[Step]:
    """The steps of a sweep; a table is added at the last of its layers.

    Args:
        sizes: The number of choices of each layer.
        damage: Tables of damage: indices of their layers, rising, and an array of shape (choices of a layer, ...).
        cost: Tables of costs, of the same form.

    Raises:
        Unsupported: If the choices of layers that are open at once have more than 4,096 combinations, of which those of
            one class count once.
    """
    costs_at, last = _sort_by_end(sizes, cost)
    damages_at, last_of_damage = _sort_by_end(sizes, damage)
    last = np.maximum(last, last_of_damage)
    classes = _find_classes(sizes, [*cost, *damage])
    steps: list[Step] = []
    before: list[int] = []
    for layer, size in enumerate(sizes):
        after = [one for one in (*before, layer) if last[one] > layer]
        known = [*before, layer]
        shape = [*(len(classes[one][0]) for one in before), size]
        if not prod(shape) <= _MOST_OPEN:
            raise Unsupported(
                f"layers {before} stand in tables with layer {layer} or later ones, and their choices have "
                f"{prod(shape):,} combinations, more than {_MOST_OPEN:,}; MilpAllocator takes such tables"
            )
        costs, damages = np.zeros(shape, np.int64), np.zeros(shape)
        for scope, units in costs_at[layer]:
            costs += _spread(scope, units, known, classes)
        for scope, values in damages_at[layer]:
            damages += _spread(scope, values, known, classes)
        label = np.zeros(shape, np.int64)
        for one in after:
            index = classes[one][1] if one == layer else np.arange(len(classes[one][0]))
            axes = [-1 if other == one else 1 for other in known]
            label = label * len(classes[one][0]) + index.reshape(axes)
        counts = np.bincount(label.ravel())
        merged = np.split(np.argsort(label.ravel(), kind="stable"), np.cumsum(counts)[:-1])
        steps.append(Step(costs.reshape(-1, size), damages.reshape(-1, size), merged))
        before = after
    return steps


def _find_classes(
    sizes: Sequence[int], tables: Sequence[tuple[Scope, NDArray[Any]]]
) -> list[tuple[Integers, Integers]]:
    """The choices of each layer that are alike for all later layers: the first of each class, and the class of each."""
    numbers: list[list[Integers]] = [[np.zeros(size, np.int64)] for size in sizes]
    for scope, table in tables:
        for axis, layer in enumerate(scope[:-1]):
            rows = np.moveaxis(table, axis, 0).reshape(sizes[layer], -1)
            numbers[layer].append(number_distinct(rows)[1])
    return [number_distinct(np.stack(columns, axis=1)) for columns in numbers]


def _spread(
    scope: Scope, table: NDArray[Any], known: Sequence[int], classes: Sequence[tuple[Integers, Integers]]
) -> NDArray[Any]:
    """A table with an axis for each known layer: of classes for those before the last, of choices for the last."""
    for axis, layer in enumerate(scope[:-1]):
        table = table.take(classes[layer][0], axis)
    sizes = dict(zip(scope, table.shape, strict=True))
    return table.reshape([sizes.get(one, 1) for one in known])


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
