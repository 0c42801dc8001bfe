"""The cheapest allocation above a floor of quality: how many layers may be lowered, found by bisection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.layer_groups import LayerGroups
from search_spaces.additive_cost import FloatArray


def allocate_above_floor(
    problem: AllocationProblem, quality: Callable[[tuple[int, ...]], float], floor: float
) -> tuple[int, ...]:
    """Lowers as many layers as a measured quality bears, in the order of their damage.

    This is the search of Schaefer et al. ("Augmenting Hessians with inter-layer dependencies for mixed-precision
    post-training quantization", 2023), for choices from the dearest, 0, to the cheapest. The layers are ordered by
    `score_layers`, and as many of the first ones take choice 1 as keep the quality at the floor; of these, as many as
    can take choice 2, and so on. How many is bisected, as if quality fell with every layer. If it does not, the result
    is still an allocation that was measured.

    Args:
        problem: Damage, pair terms and ties of the layers; it has no budgets.
        quality: Measures the quality of an allocation; called at most ceil(log2(L + 1)) times for each choice, where L
            is the number of layers, or ties, that may take it.
        floor: The least quality, such as 0.999 of that of the uncompressed network. All layers at choice 0 are taken to
            reach it.

    Returns:
        For each layer, the index of its choice; all 0 if nothing could be lowered.

    Raises:
        ValueError: If the problem has budgets.
    """
    if problem.budgets:
        names = ", ".join(budget.name for budget in problem.budgets)
        raise ValueError(f"a floor of quality is reached at the least cost, without budgets; got {names}")
    groups = LayerGroups.from_problem(problem)
    chosen, lowered = [0] * len(groups.sizes), list(range(len(groups.sizes)))
    for choice in range(1, max(groups.sizes)):
        lowered = [group for group in lowered if groups.sizes[group] > choice]
        scores = score_layers(problem, groups, choice)
        order = sorted(lowered, key=lambda group: scores[group])

        steps = [_lower(chosen, order[:count], choice) for count in range(len(order) + 1)]
        count = bisect_last([partial(_keeps, quality, floor, groups.spread(step)) for step in steps])
        chosen, lowered = steps[count], order[:count]
    return groups.spread(chosen)


def score_layers(problem: AllocationProblem, groups: LayerGroups, choice: int) -> FloatArray:
    """The augmented score of each group at a choice, shape (groups,): its damage and half of its pair terms.

    Args:
        problem: Damage and pair terms.
        groups: Its groups.
        choice: The choice to which all groups that have it are lowered; the others score infinity.
    """
    scores = np.array([0.0 if size > choice else np.inf for size in groups.sizes])
    for term in groups.regroup(problem.terms):
        if all(groups.sizes[group] > choice for group in term.columns):
            count = len(term.columns)
            scores[list(term.columns)] += (term.table[(choice,) * count] - term.table[(0,) * count]) / max(count, 1)
    return scores


@dataclass
class Bisection:
    """The search for the last of L + 1 conditions that holds, by at most ceil(log2(L + 1)) of them.

    Attributes:
        unknown: The last one that may hold, L at first.
        known: The last one that is known to hold; the first is taken to.
    """

    unknown: int
    known: int = 0

    @property
    def middle(self) -> int | None:
        """The condition to be looked at next, by index; None once `known` is the last that holds."""
        return (self.known + self.unknown + 1) // 2 if self.known < self.unknown else None

    def tell(self, holds: bool) -> None:
        """Takes whether the condition in the middle holds."""
        middle = self.middle
        assert middle is not None  # who tells has asked
        if holds:
            self.known = middle
        else:
            self.unknown = middle - 1


def bisect_last(holds: Sequence[Callable[[], bool]]) -> int:
    """The last of L + 1 conditions that holds, by index, in at most ceil(log2(L + 1)) calls.

    Args:
        holds: The conditions. The first is taken to hold, and where one holds, those before it should, too. If they do
            not, the result is one that was found to hold, or the first.
    """
    bisection = Bisection(len(holds) - 1)
    while (middle := bisection.middle) is not None:
        bisection.tell(holds[middle]())
    return bisection.known


def _keeps(quality: Callable[[tuple[int, ...]], float], floor: float, chosen: tuple[int, ...]) -> bool:
    return bool(quality(chosen) >= floor)


def _lower(chosen: Sequence[int], groups: Sequence[int], choice: int) -> list[int]:
    return [choice if group in groups else known for group, known in enumerate(chosen)]
