from __future__ import annotations

import numpy as np
import pytest

from nas.objectives import Objective
from nas.search.registry import searcher
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))
OBJECTIVES = [Objective(METRICS[name], lambda population: np.zeros(len(population))) for name in ("macs", "bops")]


@pytest.mark.parametrize(
    ("name", "objectives", "message"),
    [
        ("evolution", 2, "'evolution' takes 1 objective only, got 2; use one of linas, random, nsga2, nsga3"),
        (
            "nsga3",
            1,
            "'nsga3' takes 2 or more objectives, got 1; use one of linas, random, evolution",
        ),
        ("linas", 0, "one or more objectives of distinct metrics, got"),
    ],
)
def test_what_a_searcher_does_not_support_is_said(name: str, objectives: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        searcher(name, SPACE, OBJECTIVES[:objectives], 0)
