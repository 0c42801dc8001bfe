from __future__ import annotations

import numpy as np
import pytest

from nas.objectives import Objective
from nas.search.protocol.problem import SearchProblem
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))


def never(_: Population) -> np.ndarray:
    raise AssertionError("a problem evaluates nothing")


def test_constraints_are_limited_and_not_minimised() -> None:
    problem = SearchProblem(
        SPACE,
        (
            Objective(METRICS["accuracy"], never, limit=60.0, constraint=True),
            Objective(METRICS["latency_ms"], never, limit=5.0),
            Objective(METRICS["macs"], never),
        ),
    )
    assert problem.minimized == [1, 2]
    assert problem.cost_limits.tolist() == [-60.0, 5.0, np.inf]
    costs = np.array([[-70.0, 6.0, 1.0], [-50.0, 4.0, 2.0]])
    assert problem.clip_to_constraints(costs).tolist() == [[-60.0, 6.0, 1.0], [-50.0, 4.0, 2.0]]


def test_objectives_are_distinct_and_not_all_constraints() -> None:
    macs = Objective(METRICS["macs"], never, limit=1.0, constraint=True)
    for objectives in ((), (macs,), (Objective(METRICS["macs"], never), macs)):
        with pytest.raises(ValueError, match="one or more objectives of distinct metrics"):
            SearchProblem(SPACE, objectives)
