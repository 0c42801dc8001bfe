from __future__ import annotations

import re
from itertools import product
from math import prod

import numpy as np
import pytest

from nas.objectives import AdditiveEvaluator, Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.surrogate.weighted_costs import WeightedCosts
from results.metric import METRICS
from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.families.given import GivenSpace, StoredTensor
from search_spaces.joint_space import JointSpace
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.weighted import Convolution
from search_spaces.policy_space import PolicySpace

RNG = np.random.default_rng(0)
ALONE = [Term((layer,), RNG.uniform(1.0, 2.0, 3)) for layer in range(3)]


@pytest.fixture
def space(given_space: GivenSpace) -> JointSpace:
    return JointSpace(given_space, PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))


@pytest.mark.parametrize(
    "joint",
    [[], [Term((0, 1), RNG.uniform(0.0, 1.0, (3, 3)))], [Term((0, 1, 2), RNG.uniform(0.0, 0.2, (3, 3, 3)))]],
    ids=["sum", "conversions", "addition"],
)
def test_the_frontier_is_that_of_all_allocations(space: JointSpace, joint: list[Term]) -> None:
    costs = [AdditiveCost([*ALONE, *joint]), AdditiveCost([Term((0,), np.array([4.0, 2.0, 1.0]))])]
    named = zip(("macs", "weight_bytes"), costs, strict=True)
    objectives = tuple(Objective(METRICS[name], AdditiveEvaluator(cost)) for name, cost in named)
    weighted = WeightedCosts(SearchProblem(space, objectives), [0, 1])
    rng = np.random.default_rng(1)  # of its own: what other tests have drawn before does not matter
    damage = tuple(np.sort(rng.uniform(0.0, 1.0, 3)) for _ in range(3))
    weights = np.array([0.7, 0.3])
    frontier = weighted.find_frontier(damage, weights)
    everything = np.array([*product(range(3), repeat=3)], dtype=np.int16)
    uniform = space.uniform_policies.astype(np.int16)
    scaled = sum(w * cost(everything) / np.ptp(cost(uniform)) for w, cost in zip(weights, costs, strict=True))
    harm = np.sum([damage[layer][everything[:, layer]] for layer in range(3)], axis=0)
    best = np.array([harm[scaled <= cost + 1e-9].min() for cost in frontier.costs])
    assert frontier.damages == pytest.approx(best)
    assert frontier.damages[-1] == pytest.approx(harm.min())
    assert len(frontier.costs) > 3
    assert weighted.notes == ()


def test_tables_that_keep_too_many_layers_open_enter_as_the_nearest_sum_and_it_is_said() -> None:
    layers = 18
    names = [f"c{number}" for number in range(layers)]
    nodes = [Node(name, Convolution.square(4, 4), ("x",), (f"w{name}",)) for name in names]
    graph = NetworkGraph((("x", (4, 8, 8)),), tuple(nodes), tuple(names))
    stored = {name: StoredTensor(4 * prod(shape), prod(shape)) for name, shape in graph.parameter_shapes.items()}
    wide = JointSpace(GivenSpace("wide", graph, stored), PolicySpace.parse(["w32a32", "w8a8"]))
    crossed = [Term((layer, layer + layers // 2), RNG.uniform(size=(2, 2))) for layer in range(layers // 2)]
    cost = AdditiveCost([Term((layer,), np.array([2.0, 1.0])) for layer in range(layers)] + crossed * 3)
    many = AdditiveCost([*cost.terms, *(Term((a, b), np.eye(2)) for a in range(0, layers) for b in range(a))])
    problem = SearchProblem(wide, (Objective(METRICS["macs"], AdditiveEvaluator(many)),))
    weighted = WeightedCosts(problem, [0])
    frontier = weighted.find_frontier(tuple(np.arange(2.0) for _ in range(layers)), np.ones(1))
    assert len(frontier.costs) > 3
    (note,) = weighted.notes
    assert re.fullmatch(r"allocated by a sum over layers, which is [0-9.]+ % off on average: macs", note)
