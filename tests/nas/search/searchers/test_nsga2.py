"""NSGA-II is better than luck, and keeps to the limits it is told."""

from __future__ import annotations

import numpy as np
import pytest

from nas.objectives import FloatArray, Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import create_searcher
from nas.search.searchers.nsga2 import NSGA2
from results.metric import METRICS, Metric
from results.pareto import hypervolume
from search_spaces.families.tabular import TabularSpace
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

SEEDS, BUDGET, BATCH = 20, 300, 50


def problem(space: TabularSpace) -> SearchProblem:
    accuracy, latency = Metric("accuracy", "percent", maximize=True), METRICS["latency_ms"]
    objectives = (
        Objective(accuracy, lambda population: space.column(population, "cifar10_test_200e")),
        Objective(latency, lambda population: space.column(population, "eyeriss")),
    )
    return SearchProblem(JointSpace(space), objectives)


def price(space: TabularSpace, population: Population) -> FloatArray:
    return np.column_stack([-space.column(population, "cifar10_test_200e"), space.column(population, "eyeriss")])


def found(name: str, space: TabularSpace, seed: int) -> FloatArray:
    """The costs of all candidates of one search."""
    made, costs = create_searcher(name, problem(space), seed), []
    for _ in range(BUDGET // BATCH):
        population = made.ask(BATCH)
        costs.append(price(space, population))
        made.tell(population, costs[-1], np.zeros(BATCH))
    return np.concatenate(costs)


def test_beats_random_search_on_measured_networks(nasbench201: TabularSpace) -> None:
    everything = JointSpace(nasbench201).population(np.indices((5,) * 6).reshape(6, -1).T)
    reference = np.array([-85.0, price(nasbench201, everything)[:, 1].max()])
    exact = hypervolume(price(nasbench201, everything), reference)
    assert exact == pytest.approx(74.8843)
    shares = {
        name: np.mean([hypervolume(found(name, nasbench201, seed), reference) for seed in range(SEEDS)]) / exact
        for name in ("random", "nsga2")
    }
    assert shares["nsga2"] > shares["random"] + 0.01


def test_limits_are_sought_before_costs(nasbench201: TabularSpace) -> None:
    made = NSGA2(population_size=50).create(problem(nasbench201), seed=0)
    kept = []
    for _ in range(6):
        population = made.ask(50)
        costs = price(nasbench201, population)
        violations = np.maximum(costs[:, 1] - 3.5, 0)  # the costs alone draw towards large, slow networks, too
        made.tell(population, costs, violations)
        kept.append(np.mean(violations == 0))
    assert np.mean(kept[-2:]) > 3 * kept[0]
