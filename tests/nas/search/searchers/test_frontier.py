"""What the searcher of exact frontiers asks for is the same each time, and keeps its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import milp

from hardware.analytic import network_cost
from nas.objectives import AdditiveEvaluator, Objective, compute_costs, compute_violations
from nas.search.integer_program import minimizer
from nas.search.protocol.first_design import FIRST_DESIGN
from nas.search.protocol.problem import SearchProblem
from nas.search.searchers.frontier import Frontier
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space


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

    monkeypatch.setattr(minimizer, "milp", recorded)
    monkeypatch.setattr(minimizer, "_WORK", 1)
    asked = []
    for _ in range(2):
        searcher, genes = Frontier().create(SearchProblem(space, objectives), seed=0), []
        for n in (FIRST_DESIGN, 15):
            found = searcher.ask(n)
            values = np.column_stack([objective.evaluate(found) for objective in objectives])
            searcher.tell(found, compute_costs(objectives, values), compute_violations(objectives, values))
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
    searcher, exceeding = Frontier().create(SearchProblem(space, objectives), seed=0), []
    for _ in range(2):
        asked = searcher.ask(FIRST_DESIGN)
        values = np.column_stack([objective.evaluate(asked) for objective in objectives])
        searcher.tell(asked, compute_costs(objectives, values), compute_violations(objectives, values))
        exceeding.append(int((values[:, 1] > limit).sum()))
    assert exceeding[0] > 0
    assert exceeding[1] < exceeding[0] / 2  # nothing but random candidates, where no optimum is new
