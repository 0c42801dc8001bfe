from __future__ import annotations

import numpy as np
import pytest

from hardware.analytic import network_cost
from nas.objectives import FloatArray, Objective, compute_costs, compute_violations
from nas.search.protocol.outlook import Outlook
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.searcher import Searcher
from nas.search.registry import create_searcher
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import Dispatch, SearchPlan
from nas.search.searchers.linas import Linas
from nas.search.surrogate.archive import Archive
from nas.search.surrogate.gain_forecast import GainForecast
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8"]))
MACS, PARAMETERS = (network_cost(SPACE, name) for name in ("macs", "parameters"))
OBJECTIVES = (
    Objective(METRICS["accuracy"], lambda some: 100.0 - 1e6 / np.sqrt(PARAMETERS(some.genes) * MACS(some.genes))),
    Objective(METRICS["macs"], lambda some: MACS(some.genes), exact=True),
)
PROBLEM = SearchProblem(SPACE, OBJECTIVES)


def archive(*points: tuple[float, float]) -> Archive:
    """Some candidates, at these costs."""
    found = Archive(PROBLEM)
    population = SPACE.sample(np.random.default_rng(0), len(points))
    found.add(population, np.array(points), np.zeros(len(points)))
    return found


def tell(made: Searcher, evaluations: int) -> None:
    while evaluations > 0 and len(population := made.ask(10)):
        values = np.column_stack([objective.evaluate(population) for objective in OBJECTIVES])
        made.tell(population, compute_costs(OBJECTIVES, values), compute_violations(OBJECTIVES, values))
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


def test_nothing_is_forecast_of_a_space_that_is_spent() -> None:
    small = JointSpace(create_space("resnet_digits", 1, 10))
    made = create_searcher("linas", SearchProblem(small, OBJECTIVES[:1]), 0)
    while len(population := made.ask(100)):
        made.tell(population, -OBJECTIVES[0].evaluate(population)[:, None], np.zeros(len(population)))
    assert made.forecast(10) is None


def test_what_came_corrects_what_is_expected() -> None:
    """Promised much and nothing came: less is promised."""
    known = archive((0.0, 10.0), (10.0, 0.0))
    forecast, sure = GainForecast(known), np.tile([[[5.0, 5.0]]], (8, 1, 1))
    first = forecast.forecast(sure, sure)
    known.add(SPACE.sample(np.random.default_rng(1), 1), np.array([[10.0, 10.0]]), np.zeros(1))
    assert forecast.forecast(sure, sure).gain < 0.1 * first.gain


def test_forecasting_changes_no_search() -> None:
    watched, alone = (create_searcher("linas", PROBLEM, 3) for _ in range(2))
    for _ in range(6):
        tell(watched, 10)
        watched.forecast(10)
        tell(alone, 10)
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

    problem = SearchProblem(SPACE, (Objective(METRICS["accuracy"], counted), OBJECTIVES[1]))
    plan = SearchPlan(problem, Linas(), RunRecord("run", {}, 0), 400, stop_gain=0.2, dispatch=Dispatch(None, in_flight))
    with ResultsDatabase("sqlite://") as database:
        for _ in range(2):
            found = run_search(plan, database)
            assert 30 <= len(found) == calls < 400
            assert found.outlook is not None
    assert len(found) == calls  # the second time, nothing was evaluated
