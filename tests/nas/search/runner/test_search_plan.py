from __future__ import annotations

import pytest

from nas.objectives import Objective
from nas.search.protocol.problem import SearchProblem
from nas.search.runner.search_plan import Dispatch, SearchPlan
from nas.search.searchers.few_shot import FewShot
from nas.search.searchers.nsga3 import NSGA3
from nas.search.searchers.random_search import RandomSearch
from results.evaluation import RunRecord
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10))
PROBLEM = SearchProblem(SPACE, (Objective(METRICS["macs"], lambda population: population.genes[:, 0].astype(float)),))
RECORD = RunRecord("run", {}, 0)


def test_a_plan_that_cannot_be_carried_out_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="budget of 1 or more evaluations, got 0"):
        SearchPlan(PROBLEM, RandomSearch(), RECORD, 0)
    with pytest.raises(ValueError, match="stop_gain needs a method that forecasts"):
        SearchPlan(PROBLEM, RandomSearch(), RECORD, 9, stop_gain=0.1)
    with pytest.raises(ValueError, match="NSGA3 takes 2 or more objectives, got 1"):
        SearchPlan(PROBLEM, NSGA3(), RECORD, 9)
    with pytest.raises(ValueError, match="FewShot needs a supernet with leaves"):
        SearchPlan(PROBLEM, FewShot(), RECORD, 9)


def test_candidates_come_in_batches_or_are_kept_in_flight() -> None:
    with pytest.raises(ValueError, match="needs in_flight of 1 or more candidates, got 0"):
        Dispatch(in_flight=0)
    with pytest.raises(ValueError, match="give one of the two"):
        Dispatch(batch=8, in_flight=4)
