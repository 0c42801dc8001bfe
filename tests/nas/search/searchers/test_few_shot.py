"""The leaf first: what a leaf does not add is not searched any further."""

from __future__ import annotations

import numpy as np
import pytest

from nas.objectives import FloatArray, Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import create_searcher
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.subspace import Subspace

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10))
WHOLE = Subspace.whole(SPACE)
GENE = next(number for number, gene in enumerate(SPACE.genes) if gene.name == "0.0.kernel")
LEAVES = (WHOLE.restrict(GENE, [0]), WHOLE.restrict(GENE, [1]))
OBJECTIVES = tuple(Objective(METRICS[name], lambda population: np.zeros(len(population))) for name in ("macs", "bops"))
PROBLEM = SearchProblem(SPACE, OBJECTIVES, LEAVES)


def price(population: Population, worse: int) -> FloatArray:
    """Two costs in conflict, of which one leaf has more."""
    genes = population.genes.astype(float)
    size = genes.sum(axis=1)
    return np.column_stack([size, 40 - size]) + 50.0 * (genes[:, [GENE]] == worse)


@pytest.mark.parametrize("worse", [0, 1])
def test_a_leaf_that_adds_nothing_is_dropped(worse: int) -> None:
    made = create_searcher("few_shot", PROBLEM, 0)
    shares = []
    for _ in range(8):
        population = made.ask(10)
        assert len(population) == 10
        made.tell(population, price(population, worse), np.zeros(10))
        shares.append((population.genes[:, GENE] == worse).mean())
    assert shares[0] == 0.5
    assert shares[-1] == 0.0


def test_leaves_that_add_something_stay() -> None:
    made = create_searcher("few_shot", PROBLEM, 0)
    for _ in range(8):
        population = made.ask(10)
        costs = price(population, 0)
        costs[:, 1] -= 100.0 * (population.genes[:, GENE] == 0)  # better in one cost, worse in the other
        made.tell(population, costs, np.zeros(10))
    assert 0 < (population.genes[:, GENE] == 0).mean() < 1
