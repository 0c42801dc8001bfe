from __future__ import annotations

import numpy as np
import pytest

from hardware.analytic import network_cost
from nas.objectives import FloatArray, Objective, costs, violations
from nas.search.archive import Archive
from nas.search.loop import run_search
from nas.search.outlook import GainForecast, Outlook
from nas.search.problem import SearchProblem
from nas.search.registry import searcher
from nas.search.searcher import Searcher
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
MACS, PARAMETERS = (network_cost(SPACE, name) for name in ("macs", "parameters"))
OBJECTIVES = [
    Objective(METRICS["accuracy"], lambda some: 100.0 - 1e6 / np.sqrt(PARAMETERS(some.genes) * MACS(some.genes))),
    Objective(METRICS["macs"], lambda some: MACS(some.genes), exact=True),
]


def archive(*points: tuple[float, float]) -> Archive:
    """What was told: some candidates, at these costs."""
    found = Archive(SearchProblem(SPACE, tuple(OBJECTIVES)))
    population = SPACE.sample(np.random.default_rng(0), len(points))
    found.add(population, np.array(points), np.zeros(len(points)))
    return found


def told(made: Searcher, evaluations: int) -> None:
    while evaluations > 0 and len(population := made.ask(10)):
        values = np.column_stack([objective.evaluate(population) for objective in OBJECTIVES])
        made.tell(population, costs(OBJECTIVES, values), violations(OBJECTIVES, values))
        evaluations -= 10


def test_draws_that_are_sure_give_their_gain_exactly() -> None:
    known = archive((0.0, 10.0), (10.0, 0.0))
    sure = np.tile([[[5.0, 5.0]]], (8, 1, 1))
    outlook = GainForecast(known).forecast(sure, sure)
    # to the point (11, 11): 11 x 1 + 1 x 11 - 1 are dominated; (5, 5) adds a square of 6 less what is known of it
    assert outlook.gain == pytest.approx((36.0 - 11.0) / 21.0)
    assert outlook.low < outlook.gain < outlook.high
    assert GainForecast(known).forecast(sure + 100.0, sure + 100.0).gain == 0.0
    assert GainForecast(known).forecast(np.full_like(sure, np.inf), np.full_like(sure, np.inf)).gain == 0.0


def test_a_few_draws_that_gain_much_are_within_the_interval() -> None:
    """Under tight limits most draws are infeasible; a search must not stop because few of them gain anything."""
    known = archive((0.0, 10.0), (10.0, 0.0))
    draws = np.full((24, 1, 2), np.inf)
    draws[:2] = 2.0
    outlook = GainForecast(known).forecast(draws, draws)
    assert outlook.low <= outlook.gain <= outlook.high
    assert outlook.gain > 0.2


def test_a_forecast_that_nothing_came_after_corrects_nothing() -> None:
    known = archive((0.0, 10.0), (10.0, 0.0))
    forecast, sure = GainForecast(known), np.tile([[[5.0, 5.0]]], (8, 1, 1))
    assert forecast.forecast(sure, sure) == forecast.forecast(sure, sure)


def test_nothing_is_foreseen_of_a_space_that_is_spent() -> None:
    small = JointSpace(create_space("resnet_digits", 1, 10))
    made = searcher("linas", small, [OBJECTIVES[0]], 0)
    while len(population := made.ask(100)):
        made.tell(population, -OBJECTIVES[0].evaluate(population)[:, None], np.zeros(len(population)))
    assert made.foresee(10) is None


def test_a_searcher_that_foresees_nothing_cannot_stop_by_it() -> None:
    made, record = searcher("random", SPACE, OBJECTIVES, 0), RunRecord("run", {}, 0)
    with ResultsDatabase("sqlite://") as database, pytest.raises(ValueError, match="stop_gain needs a searcher that"):
        run_search(made, OBJECTIVES, database, 9, record=record, stop_gain=0.1)


def test_what_came_corrects_what_is_expected() -> None:
    """Promised much and nothing came: less is promised."""
    known = archive((0.0, 10.0), (10.0, 0.0))
    forecast, sure = GainForecast(known), np.tile([[[5.0, 5.0]]], (8, 1, 1))
    first = forecast.forecast(sure, sure)
    known.add(SPACE.sample(np.random.default_rng(1), 1), np.array([[10.0, 10.0]]), np.zeros(1))
    assert forecast.forecast(sure, sure).gain < 0.1 * first.gain


def test_foreseeing_changes_no_search() -> None:
    watched, alone = (searcher("linas", SPACE, OBJECTIVES, 3) for _ in range(2))
    for _ in range(6):
        told(watched, 10)
        watched.foresee(10)
        told(alone, 10)
    assert np.array_equal(watched.ask(10).genes, alone.ask(10).genes)
    assert isinstance(watched.outlook, Outlook)
    assert watched.outlook.evaluations == 60
    assert 0.0 <= watched.outlook.low <= watched.outlook.gain <= watched.outlook.high


@pytest.mark.parametrize("in_flight", [None, 4])
def test_a_search_ends_when_little_is_to_gain_and_ends_there_again(in_flight: int | None) -> None:
    calls = 0

    def counted(population: Population) -> FloatArray:
        nonlocal calls
        calls += len(population)
        return OBJECTIVES[0].evaluate(population)

    objectives = [Objective(METRICS["accuracy"], counted), OBJECTIVES[1]]
    with ResultsDatabase("sqlite://") as database:
        for _ in range(2):
            made = searcher("linas", SPACE, objectives, 0)
            record = RunRecord("run", {}, 0)
            found = run_search(made, objectives, database, 400, record=record, in_flight=in_flight, stop_gain=0.2)
            assert 30 <= len(found) == calls < 400
            assert made.foresee(made.batch) is not None
    assert len(found) == calls  # the second time, nothing was evaluated
