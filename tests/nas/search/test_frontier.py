"""The integer program finds what brute force finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import milp

from hardware.analytic import network_cost
from nas.objectives import AdditiveEvaluator, Objective, costs, violations
from nas.search import frontier
from nas.search.first_design import FIRST_DESIGN
from nas.search.frontier import AdditiveFrontier, FrontierSearcher
from nas.search.problem import SearchProblem
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace

SPACE = JointSpace(create_space("resnet_digits", 1, 10))
EVERYTHING = SPACE.population(np.indices(tuple(SPACE.cardinalities)).reshape(len(SPACE.cardinalities), -1).T).unique()


@pytest.mark.parametrize("seed", range(20))
def test_it_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = EVERYTHING.one_hot()
    cost, size, time = rng.integers(-9, 10, (3, features.shape[1])).astype(float)
    program = AdditiveFrontier(SPACE)
    values, sizes, times = features @ cost, features @ size, features @ time
    for _ in range(5):
        bounds = [float(rng.choice(sizes)), float(rng.choice(times))]
        kept = (sizes <= bounds[0]) & (times <= bounds[1])
        found = program.best(cost, [(size, bounds[0]), (time, bounds[1])], [])
        if not kept.any():
            assert found is None
            continue
        assert found is not None
        row = int(np.flatnonzero((EVERYTHING.genes == found).all(axis=1))[0])
        assert kept[row]
        assert values[row] == pytest.approx(values[kept].min())


def test_what_is_known_is_left_out() -> None:
    features = EVERYTHING.one_hot()
    cost = np.random.default_rng(0).random(features.shape[1])
    known: list[np.ndarray] = []
    for value in np.sort(features @ cost)[:5]:
        found = AdditiveFrontier(SPACE).best(cost, [], known)
        assert found is not None
        known.append(found)
        assert float(SPACE.population([found]).one_hot()[0] @ cost) == pytest.approx(value)


def test_policies_of_layers_that_are_not_there_cost_nothing() -> None:
    whole = create_space("mobilenet_v3_digits", 1, 10)
    space = JointSpace(RestrictedSpace(whole, {"resolution": [12]}), PolicySpace.parse(["w32a32", "w8a8"]))
    slope = np.ones(space.sample(np.random.default_rng(0), 1).one_hot().shape[1])
    found = AdditiveFrontier(space).best(slope, [], [])
    assert found is not None
    assert space.population([found]).one_hot().sum() == space.is_active(space.population([found]).genes).sum()
    smallest = space.encode([space.smallest()])
    assert space.population([found]).one_hot().sum() == smallest.one_hot().sum()  # as few active genes as can be


def test_the_same_is_asked_where_programs_stop_before_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program has found by then depends on its nodes, and on no clock."""
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))
    objectives = tuple(
        Objective(METRICS[name], AdditiveEvaluator(space.tabulate_linear(slope)), exact=name != "accuracy")
        for name, slope in zip(
            ("accuracy", "weight_bytes", "bops", "latency_ms"),
            np.random.default_rng(0).random((4, space.cardinalities.sum())),
            strict=True,
        )
    )
    limits, statuses = [], []

    def recorded(*program: Any, options: dict[str, float], **rest: Any) -> Any:
        found = milp(*program, options=options, **rest)
        limits.append(options)
        statuses.append(found.status)
        return found

    monkeypatch.setattr(frontier, "milp", recorded)
    monkeypatch.setattr(frontier, "_WORK", 1)
    asked = []
    for _ in range(2):
        searcher, genes = FrontierSearcher(SearchProblem(space, objectives), seed=0), []
        for n in (FIRST_DESIGN, 15):
            found = searcher.ask(n)
            values = np.column_stack([objective.evaluate(found) for objective in objectives])
            searcher.tell(found, costs(objectives, values), violations(objectives, values))
            genes.append(found.genes)
        asked.append(np.concatenate(genes))
    assert np.array_equal(*asked)
    assert {*statuses} - {0, 2}  # neither optimal nor infeasible
    assert all("time_limit" not in one for one in limits)


@pytest.mark.parametrize("tabulated", [True, False])
def test_what_it_asks_for_keeps_the_limits_of_exact_costs(tabulated: bool) -> None:
    space = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
    size = network_cost(space, "weight_bytes")
    limit = float(np.quantile(size(space.sample(np.random.default_rng(1), 500).genes), 0.2))
    accuracy = space.tabulate_linear(np.random.default_rng(0).random(space.cardinalities.sum()))
    objectives = (
        Objective(METRICS["accuracy"], AdditiveEvaluator(accuracy)),
        Objective(
            METRICS["weight_bytes"],
            AdditiveEvaluator(size) if tabulated else lambda some: size(some.genes),
            limit,
            True,
        ),
    )
    searcher, exceeding = FrontierSearcher(SearchProblem(space, objectives), seed=0), []
    for _ in range(2):
        asked = searcher.ask(FIRST_DESIGN)
        values = np.column_stack([objective.evaluate(asked) for objective in objectives])
        searcher.tell(asked, costs(objectives, values), violations(objectives, values))
        exceeding.append(int((values[:, 1] > limit).sum()))
    assert exceeding[0] > 0
    assert exceeding[1] < exceeding[0] / 2  # nothing but random candidates, where no optimum is new
