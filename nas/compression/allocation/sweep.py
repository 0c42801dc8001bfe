"""The Pareto frontier of damage and one cost over all allocations, by one sweep over the layers.

A state is a choice for each of the first layers. Of two states that go on alike, one that costs no less and does no
less damage is dropped: it is dominated. Layers that a table joins to later ones are open: states go on alike only if
they have the same choices in all open layers. Along a chain of layers, each with a table for it and the next, that is
the last choice. This is the dynamic program over surviving weights of Xu et al. ("Efficient joint optimization of
layer-adaptive weight pruning", ICCV 2023) over the costs that occur instead of all whole numbers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

import numpy as np
from numpy.typing import NDArray

from nas.compression.allocation.allocator import OutOfTime, SolverFailed
from nas.compression.allocation.sweep_step import Scope, Step, plan_steps
from nas.one_hot_program import Integers
from search_spaces.additive_cost import FloatArray

_MOST_STATES = (
    10_000_000  # kept in all layers together; merging the choices of a layer takes some hundred bytes of each
)
_SORTED_AT_ONCE = 12_000  # so many states are sorted as they are; of more, most are found dominated before


@dataclass(frozen=True)
class SweepLimits:
    """What a sweep need not find.

    Attributes:
        most: The largest cost that counts.
        bucket: Width of a bucket of costs: of the states that go on alike and cost about the same, the one of least
            damage is kept and the one nearest to the convex hull, with their own costs. With 1 the frontier is exact.
        deadline: Time of `time.monotonic` at which the sweep is given up.
    """

    most: int
    bucket: int = 1
    deadline: float = inf


@dataclass(frozen=True, eq=False)
class SweptStates:
    """The frontier of all layers, and how its states came about.

    Attributes:
        costs: Costs of the n states, rising, shape (n,).
        damages: Their damages, falling, shape (n,).
        choices: For each layer, the choice of the states that were kept after it.
        parents: For each layer, the indices of these states among those that were kept before it.
    """

    costs: Integers
    damages: FloatArray
    choices: list[NDArray[np.int16]]
    parents: list[NDArray[np.int32]]

    def trace(self, states: Integers) -> Integers:
        """The choices of some states, shape (states, layers), given their indices."""
        chosen = np.empty((len(states), len(self.choices)), np.int64)
        for layer in reversed(range(len(self.choices))):
            chosen[:, layer] = self.choices[layer][states]
            states = self.parents[layer][states].astype(np.int64)
        return chosen


def sweep(
    sizes: Sequence[int],
    damage: Sequence[tuple[Scope, FloatArray]],
    cost: Sequence[tuple[Scope, Integers]],
    limits: SweepLimits,
) -> SweptStates:
    """Sweeps over layers in order.

    Args:
        sizes: The number of choices of each layer.
        damage: Tables of damage: indices of their layers, rising, and an array of shape (choices of a layer, ...).
        cost: Tables of costs, of the same form, not negative.
        limits: What need not be found. The frontier is empty if no allocation costs as little as that.

    Raises:
        Unsupported: If too many combinations of choices go on differently; see `plan_steps`.
        OutOfTime: If the deadline has passed.
        SolverFailed: If the frontier takes too much memory.
    """
    costs, damages, starts = np.zeros(1, np.int64), np.zeros(1), np.array([0, 1])
    choices: list[NDArray[np.int16]] = []
    parents: list[NDArray[np.int32]] = []
    count = 0
    for step, size in zip(plan_steps(sizes, [*damage, *cost]), sizes, strict=True):
        found, added = [], _sum_added(step, (len(starts) - 1, size), len(damage))
        for ways in step.merged:
            if not time.monotonic() <= limits.deadline:
                raise OutOfTime(f"the frontier of {len(sizes)} layers was not found in time, {len(choices)} were swept")
            found.append(_merge(added, ways, costs, damages, starts, limits))
        starts = np.array([0, *accumulate(len(part[0]) for part in found)])
        costs, damages, choice, parent = map(np.concatenate, zip(*found, strict=True)) if len(found) > 1 else found[0]
        choices.append(choice.astype(np.int16))
        parents.append(parent.astype(np.int32))
        count += len(costs)
        if not count <= _MOST_STATES:
            raise SolverFailed(
                f"a frontier may take {_MOST_STATES:,} states, got more after {len(choices)} of {len(sizes)} layers; "
                "merge them into (fewer) buckets, as DynamicProgramAllocator does"
            )
    return SweptStates(costs, damages, choices, parents)


def _sum_added(step: Step, shape: tuple[int, int], first: int) -> tuple[Integers, FloatArray]:
    """The costs and the damages that a step adds, of tables before the first of costs, each of a shape."""
    costs, damages = np.zeros(shape, np.int64), np.zeros(shape)
    for index, entries in step.added.items():
        if index < first:
            damages += entries
        else:
            costs += entries
    return costs, damages


def _merge(
    added: tuple[Integers, FloatArray],
    ways: Integers,
    costs: Integers,
    damages: FloatArray,
    starts: Integers,
    limits: SweepLimits,
) -> tuple[Integers, FloatArray, Integers, Integers]:
    """The frontier of all states that come to be alike: costs, damages, last choices and indices of the states before.

    Args:
        added: Costs and damages that the layer adds, shape (what is open, choices) each.
        ways: Flat indices into these.
        costs: Costs of the states before, those of each combination of open choices rising.
        damages: Their damages.
        starts: Where the states of each combination start, and the end.
        limits: What need not be found.
    """
    added_costs, added_damages = added
    before, choices = np.divmod(ways, added_costs.shape[1])
    lengths = (starts[1:] - starts[:-1])[before]
    ends = lengths.cumsum()
    cost, damage = np.empty(ends[-1], np.int64), np.empty(ends[-1])
    for way, first, end, length in zip(
        ways.tolist(), starts[before].tolist(), ends.tolist(), lengths.tolist(), strict=True
    ):
        np.add(costs[first : first + length], added_costs.item(way), out=cost[end - length : end])
        np.add(damages[first : first + length], added_damages.item(way), out=damage[end - length : end])
    some = _drop_most_dominated(cost, damage, [0, *ends.tolist()]) if len(cost) > _SORTED_AT_ONCE else None
    kept = _keep_frontier(cost, damage, some, limits)
    way = ends.searchsorted(kept, "right")
    return cost[kept], damage[kept], choices[way], kept + (starts[before] - ends + lengths)[way]


def _drop_most_dominated(cost: Integers, damage: FloatArray, bounds: list[int]) -> Integers:
    """The states that no state of a lower bucket of costs dominates, which takes no sorting.

    Args:
        cost: Costs of sorted frontiers, one after the other.
        damage: Their damages.
        bounds: Where the frontiers start, and the end.
    """
    # about as many buckets as the longest of the frontiers has states: the merged one is expected to have more
    longest = max(end - start for start, end in pairwise(bounds))
    top = int(cost.max())
    shift = max((top // longest).bit_length() - 1, 0)
    bucket = cost >> shift
    below = np.full((top >> shift) + 2, inf)  # the least damage in all lower buckets
    one = np.empty_like(below)
    for start, end in pairwise(bounds):
        one.fill(inf)
        one[bucket[start:end] + 1] = damage[start:end]  # damages fall: the last, which stays, is the least
        np.minimum(below, one, out=below)
    np.minimum.accumulate(below, out=below)
    return np.flatnonzero(damage < below[bucket])


def _keep_frontier(cost: Integers, damage: FloatArray, some: Integers | None, limits: SweepLimits) -> Integers:
    """The indices of the states that are kept, by rising cost.

    Args:
        cost: Costs of the states.
        damage: Their damages.
        some: Indices of those that may be undominated; None for all.
        limits: The largest cost that is kept, and the width of a bucket.
    """
    # a stable sort makes use of the runs that are sorted already
    kept = cost.argsort(kind="stable") if some is None else some[cost[some].argsort(kind="stable")]
    costs = cost[kept]
    end = int(costs.searchsorted(limits.most, "right"))
    least = np.minimum.accumulate(damage[kept[:end]])
    # of equal costs, the last that does less damage than all before
    better = np.ones(end, np.bool_)
    np.less(least[1:], least[:-1], out=better[1:])
    kept, costs = kept[:end][better], costs[:end][better]
    if limits.bucket > 1:
        return kept[_thin(costs, damage[kept], limits.bucket)]
    last = np.ones(len(kept), np.bool_)
    np.not_equal(costs[1:], costs[:-1], out=last[:-1])
    return kept[last]


def _thin(cost: Integers, damage: FloatArray, bucket: int) -> Integers:
    """The indices of the states of a frontier that are kept in buckets of costs.

    In each bucket these are the last, which does the least damage, and the nearest to the convex hull, which is what
    larger problems need: it does the least damage if the cost, too, counts as damage, at the slope of the frontier. The
    cheapest of all stays as well, so that the least cost is that of the exact frontier.
    """
    of_bucket = cost // bucket
    keep = np.ones(len(cost), np.bool_)
    np.not_equal(of_bucket[1:], of_bucket[:-1], out=keep[:-1])
    ends = keep.nonzero()[0]
    if len(ends) < 2:
        return np.array([0, *ends])[: len(cost)]
    slopes = (damage[ends[:-1]] - damage[ends[1:]]) / (cost[ends[1:]] - cost[ends[:-1]])
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    value = damage + np.concatenate([slopes[:1], slopes]).repeat(lengths) * cost
    keep |= value <= np.minimum.reduceat(value, starts).repeat(lengths)
    keep[0] = True
    return keep.nonzero()[0]
