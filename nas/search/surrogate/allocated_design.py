"""Candidates that a table of damage tells to be good: the first that a search evaluates.

Of a given network they are allocations over all costs. Of a supernet they are architectures with allocated policies, by
a table of each or one for all, at no more than they cost with others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier import Frontier
from nas.objectives import AdditiveEvaluator, FloatArray
from nas.search.protocol.problem import SearchProblem
from nas.search.surrogate.weighted_costs import WeightedCosts, list_uniform
from search_spaces.population import Population
from search_spaces.search_space import Genes

_FITTED = 400  # random policies to which the cost of an architecture is fitted: more than it has numbers
_BUCKETS = 1000  # of costs on a frontier


def list_tabulated(problem: SearchProblem) -> list[int]:
    """Indices of the objectives whose costs are sums of tables."""
    return [index for index, one in enumerate(problem.objectives) if isinstance(one.evaluate, AdditiveEvaluator)]


def allocate_design(problem: SearchProblem, costs: WeightedCosts, count: int) -> Population:
    """Uniform policies, then allocations of least damage, evenly spread over each cost, those far apart first.

    Args:
        problem: The problem of one network, with or without widths, whose damage is known.
        costs: Its tabulated costs, one or more.
        count: Number of allocations, about as many for each cost; 0 gives uniform policies alone.

    Returns:
        Distinct candidates.
    """
    spread = np.empty((0, len(problem.damage)), dtype=np.int64)
    share = -(-count // costs.count)
    for weights in np.eye(costs.count) if share else ():  # one cost after the other
        found = costs.allocate(problem.damage, weights, share, problem.pairs)
        order = np.argsort([int(f"{row:020b}"[::-1], 2) for row in range(len(found))])  # van der Corput's
        spread = np.concatenate([spread, found[order]])
    return problem.space.population(np.concatenate([list_uniform(problem.space), spread])).unique()


def has_architectures_without_damage(problem: SearchProblem) -> bool:
    """Whether damage is known of policies, and not of choices of architectures beside them, as of a supernet."""
    return 0 < len(problem.damage) < len(problem.space.cardinalities)


def allocate_architectures(
    problem: SearchProblem, population: Population, seed: int, damages: Sequence[tuple[FloatArray, ...]] = ()
) -> Population:
    """The architectures of candidates with the policies of least damage that cost no more (METHODS 10, B).

    Costs are those of all tabulated objectives, each divided by its extent. They depend on the policies of an
    architecture as a sum over its layers, or nearly so; each candidate keeps its policies if no others are better.

    Args:
        problem: The problem, with a table of damage for all layers of the largest architecture.
        population: The candidates, n of them.
        seed: Seed of the random policies to which the sums are fitted.
        damages: For each candidate the damage of each policy gene's values in its architecture, shape (values,) each;
            by default that of the problem for all.

    Returns:
        As many candidates of the same architectures, some of which may be equal.
    """
    rng = np.random.default_rng(seed)
    rows = zip(population.genes, damages or [problem.damage] * len(population), strict=True)
    return problem.space.population(np.array([_allocate_policies(problem, row, damage, rng) for row, damage in rows]))


def _allocate_policies(
    problem: SearchProblem, genes: Genes, damage: tuple[FloatArray, ...], rng: np.random.Generator
) -> Genes:
    """The genes of an architecture with the policies of least damage that cost no more than its own, shape (d,)."""
    space, border = problem.space, len(problem.space.architectures.choices)
    rows = np.tile(genes, (_FITTED, 1))
    rows[1:, border:] = rng.integers(0, space.cardinalities[border:], size=(_FITTED - 1, len(space.slot_policies)))
    population = space.population(rows)
    costs = _weigh_costs(problem, population)
    features = population.one_hot()[:, int(space.cardinalities[:border].sum()) :]
    tables = np.linalg.lstsq(features, costs, rcond=None)[0]
    ends = np.cumsum(space.cardinalities[border:])[:-1]
    active = space.is_active(population.genes[:1])[0, border:]
    alone = tuple(np.split(tables, ends))
    damage = tuple(known * there for known, there in zip(damage, active, strict=True))
    own = float(sum(known[gene] for known, gene in zip(alone, genes[border:], strict=True)))
    frontier = Frontier.from_problem(AllocationProblem(damage, (Budget("costs", alone, own, ()),)), _BUCKETS)
    found = genes.copy()
    if len(frontier.costs):
        found[border:] = frontier.read_off(np.array([own]))[0]
    return found


def _weigh_costs(problem: SearchProblem, population: Population) -> FloatArray:
    """The sum of all tabulated costs, each divided by its extent over the population, shape (n,)."""
    columns = [problem.objectives[column].evaluate(population) for column in list_tabulated(problem)]
    return np.asarray(sum(values / (float(np.ptp(values)) or 1.0) for values in columns))
