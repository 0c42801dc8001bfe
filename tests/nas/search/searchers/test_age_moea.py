"""AGE-MOEA is there for whoever installs what it is compiled with."""

from __future__ import annotations

import pytest

from nas.objectives import Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.searchers.age_moea import AGEMOEA
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space


def test_without_numba_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.search.searchers.age_moea.find_spec", lambda name: None if name == "numba" else name)
    objectives = tuple(Objective(METRICS[name], lambda population: population.genes[:, 0]) for name in ("macs", "bops"))
    problem = SearchProblem(JointSpace(create_space("resnet_digits", 1, 10)), objectives)
    with pytest.raises(ValueError, match=r"needs numba; .* pip install .*\[agemoea\]"):
        AGEMOEA().create(problem, 0)
