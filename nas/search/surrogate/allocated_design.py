"""Candidates that a table of damage tells to be good: the first that a search of a given network evaluates."""

from __future__ import annotations

import numpy as np

from nas.objectives import AdditiveEvaluator
from nas.search.protocol.problem import SearchProblem
from nas.search.surrogate.weighted_costs import WeightedCosts, list_uniform
from search_spaces.population import Population


def list_tabulated(problem: SearchProblem) -> list[int]:
    """Indices of the objectives whose costs are sums of tables."""
    return [index for index, one in enumerate(problem.objectives) if isinstance(one.evaluate, AdditiveEvaluator)]


def allocate_design(problem: SearchProblem, costs: WeightedCosts, count: int) -> Population:
    """Uniform policies, then allocations of least damage, evenly spread over each cost, those far apart first.

    Args:
        problem: The problem of one network, with or without widths, whose damage is known.
        costs: Its tabulated costs, one or more.
        count: Number of allocations, about as many for each cost.

    Returns:
        Distinct candidates.
    """
    spread = np.empty((0, len(problem.damage)), dtype=np.int64)
    share = -(-count // costs.count)
    for weights in np.eye(costs.count):  # one cost after the other
        found = costs.allocate(problem.damage, weights, share, problem.pairs)
        order = np.argsort([int(f"{row:020b}"[::-1], 2) for row in range(len(found))])  # van der Corput's
        spread = np.concatenate([spread, found[order]])
    return problem.space.population(np.concatenate([list_uniform(problem.space), spread])).unique()
