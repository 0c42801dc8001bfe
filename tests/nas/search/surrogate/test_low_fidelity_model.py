from __future__ import annotations

import numpy as np

from nas.objectives import Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.surrogate.archive import Archive
from nas.search.surrogate.low_fidelity_model import LowFidelityModel
from nas.search.surrogate.surrogate import Learner
from results.metric import METRICS
from search_spaces.families.tabular import TabularSpace
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population


def test_costs_of_a_constraint_are_not_clipped_and_exact_ones_are_found(nasbench201: TabularSpace) -> None:
    space = JointSpace(nasbench201)

    def fill_archive(population: Population, accuracy: str) -> Archive:
        found, latency = Archive(problem), nasbench201.column(population, "eyeriss")
        costs = np.column_stack([-nasbench201.column(population, accuracy), latency])
        found.add(population, costs, np.zeros(len(population)))
        return found

    accuracy = Objective(METRICS["accuracy"], lambda _: np.empty(0), limit=60.0, constraint=True)
    problem = SearchProblem(space, (accuracy, Objective(METRICS["latency_ms"], lambda _: np.empty(0))))
    known, others = (space.sample(np.random.default_rng(seed), 80).unique() for seed in (0, 1))
    low = fill_archive(known, "cifar10_val_12e")
    model = LowFidelityModel(problem, Learner("ridge", 0), low, np.random.default_rng(0))
    predicted = -model.predict(others)[:, 0]
    assert predicted.min() < 60 < predicted.max()
    assert np.allclose(model.predict(known), low.costs)
    assert model.are_exact(fill_archive(known.take(slice(0, 9)), "cifar10_test_200e")).tolist() == [False, True]
