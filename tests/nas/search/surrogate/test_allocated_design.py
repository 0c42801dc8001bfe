from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np
import pytest

from hardware.analytic import network_cost
from nas.objectives import AdditiveEvaluator, FloatArray, Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.searchers.linas import Linas
from nas.search.surrogate.allocated_design import allocate_architectures, allocate_design, list_tabulated
from nas.search.surrogate.weighted_costs import WeightedCosts
from results.metric import METRICS
from search_spaces.additive_cost import Term
from search_spaces.families.given import GivenSpace, StoredTensor
from search_spaces.joint_space import JointSpace
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.weighted import Convolution
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space


@pytest.fixture
def problem() -> SearchProblem:
    """A chain of five layers of different sizes."""
    nodes = [
        Node(f"c{at}", Convolution.square(before, after), (f"c{at - 1}" if at else "x",), (f"w{at}",))
        for at, (before, after) in enumerate(pairwise([3, 8, 16, 32, 16, 8]))
    ]
    graph = NetworkGraph((("x", (3, 8, 8)),), tuple(nodes), ("c4",))
    stored = {name: StoredTensor(4 * prod(shape), prod(shape)) for name, shape in graph.parameter_shapes.items()}
    space = JointSpace(GivenSpace("chain", graph, stored), PolicySpace.parse(["w32a32", "w8a8", "w2a8"]))
    objectives = (
        Objective(METRICS["accuracy"], lambda population: np.zeros(len(population))),
        Objective(METRICS["weight_bytes"], AdditiveEvaluator(network_cost(space, "weight_bytes"))),
    )
    layers = len(space.slot_policies)
    return SearchProblem(space, objectives, damage=(np.array([0.0, 1.0, 9.0]),) * layers)


def test_uniform_policies_come_first_and_then_those_of_the_frontier(problem: SearchProblem) -> None:
    costs = WeightedCosts(problem, list_tabulated(problem))
    genes = allocate_design(problem, costs, 12).genes
    assert len(np.unique(genes, axis=0)) == len(genes)
    assert [set(row) for row in genes[:3].tolist()] == [{0}, {1}, {2}]
    frontier = costs.find_frontier(problem.damage, np.ones(1))
    sums = np.sum([table[genes[3:, layer]] for layer, table in enumerate(problem.damage)], axis=0)
    assert set(sums.tolist()) <= set(frontier.damages.tolist())


def test_what_is_harmful_together_is_kept_apart(problem: SearchProblem) -> None:
    together = replace(problem, pairs=(Term((0, 1), np.pad([[100.0]], (2, 0))),))
    found = allocate_design(together, WeightedCosts(together, [1]), 12).genes
    both = (found[:, 0] == 2) & (found[:, 1] == 2)
    assert [row for row in found[both].tolist() if len({*row}) > 1] == []
    with pytest.raises(ValueError, match=r"damage of the layers \(0, 1\) together must be finite, one value for each"):
        replace(problem, pairs=(Term((0, 1), np.zeros((2, 3))),))


def test_linas_begins_with_allocations_where_damage_is_known(problem: SearchProblem) -> None:
    plain, seeded = (Linas(initial_design=10).create(one, 0).ask(10) for one in (replace(problem, damage=()), problem))
    allocated = {row.tobytes() for row in allocate_design(problem, WeightedCosts(problem, [1]), 7).genes}
    shared = [sum(row.tobytes() in allocated for row in one.genes) for one in (plain, seeded)]
    assert shared[1] == min(len(allocated), 10) > shared[0]
    assert len(seeded) == len(plain) == 10


def test_architectures_keep_their_cost_and_lose_damage() -> None:
    space = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w8a8", "w4a8", "w2a8"]))
    rng = np.random.default_rng(0)
    damage = tuple(np.concatenate([[0.0], np.sort(rng.lognormal(sigma=1.5, size=2))]) for _ in space.slot_policies)
    size = AdditiveEvaluator(network_cost(space, "weight_bytes"))
    objectives = (
        Objective(METRICS["accuracy"], lambda population: np.zeros(len(population))),
        Objective(METRICS["weight_bytes"], size),
    )
    problem, border = SearchProblem(space, objectives, damage=damage), len(space.architectures.choices)
    before = space.sample(rng, 12)
    after = allocate_architectures(problem, before, 0)
    assert (after.genes[:, :border] == before.genes[:, :border]).all()
    assert (size(after) <= size(before) * (1 + 1e-6)).all()

    def add_up(population: Population) -> FloatArray:
        active = space.is_active(population.genes)[:, border:]
        columns = population.genes[:, border:]
        return np.sum([active[:, slot] * table[columns[:, slot]] for slot, table in enumerate(damage)], axis=0)

    assert (add_up(after) <= add_up(before) + 1e-9).all()
    assert (add_up(after) < add_up(before)).mean() > 0.8
    seeded = Linas(initial_design=10).create(problem, 0).ask(10).genes
    assert len(np.unique(seeded, axis=0)) == 10
