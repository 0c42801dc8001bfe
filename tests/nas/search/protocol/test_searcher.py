"""The contract of searchers, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from hardware.analytic import network_cost
from nas.objectives import (
    AdditiveEvaluator,
    FloatArray,
    Objective,
    clip_to_constraints,
    compute_costs,
    compute_violations,
)
from nas.search.protocol.first_design import FIRST_DESIGN, create_first_design, list_obvious_candidates
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.searcher import Searcher
from nas.search.registry import SEARCHERS, create_searcher
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import Dispatch, SearchPlan
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from results.metric import METRICS
from results.pareto import hypervolume
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.search_space import BoolArray
from search_spaces.subspace import Subspace
from search_spaces.value_selector import ValueSelector

# those that compress one network are held to the contract in test_allocation.py
pytestmark = pytest.mark.parametrize("name", [name for name in SEARCHERS if SEARCHERS[name]().damage_metric is None])


@pytest.fixture(scope="module")
def large() -> JointSpace:
    return JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))


@pytest.fixture(scope="module")
def small() -> JointSpace:
    """24 candidates among 32 gene vectors."""
    whole = create_space("resnet_digits", 1, 10)
    only: dict[str, ValueSelector] = {"0.0.ratio": [0.5], "0.1.ratio": [0.5], "0.width": [16], "1.width": [24]}
    return JointSpace(RestrictedSpace(whole, only))


def problem_for(name: str, space: JointSpace, objectives: tuple[Objective, ...] = ()) -> SearchProblem:
    """What the searcher takes: by default the costs of `price`, which are not to be evaluated; and leaves, if any."""

    def never(_: Population) -> FloatArray:
        raise AssertionError("a searcher evaluates exact objectives only")

    method, whole = SEARCHERS[name], Subspace.whole(space)
    both = tuple(Objective(METRICS[metric], never) for metric in ("macs", "parameters"))
    leaves = tuple(whole.restrict(0, [value]) for value in range(2)) if method.needs_leaves else ()
    return SearchProblem(space, objectives or both[: method.most_objectives], leaves)


def price(population: Population) -> FloatArray:
    """Two costs in conflict: less computation, more parameters; at a low fidelity they are rounded."""
    space = population.space
    macs, parameters = (network_cost(space, name)(population.genes) for name in ("macs", "parameters"))
    return np.round(np.column_stack([macs, -parameters]), 4 if population.fidelity == 1.0 else -4)


def create_for(name: str, space: JointSpace, seed: int) -> Searcher:
    return create_searcher(name, problem_for(name, space), seed)


def sizes(name: str) -> list[int]:
    """Enough for a searcher to leave its random start; one that takes a second for a candidate is asked for few."""
    return [31, 1] if name == "optuna_gp" else [36, 6, 6]


def ask_full(made: Searcher, n: int) -> Population:
    """What is asked in full, after what is asked at a lower fidelity was told."""
    while (population := made.ask(n)).fidelity < 1.0:
        assert len(population)
        made.tell(population, price(population), np.zeros(len(population)))
    return population


def rounds(made: Searcher, sizes: list[int], violations: float = 0.0) -> list[Population]:
    """Asks and tells, each outcome in two portions."""
    asked = []
    for size in sizes:
        population = ask_full(made, size)
        asked.append(population)
        for part in (slice(0, size // 3), slice(size // 3, None)):
            portion = population.take(part)
            if len(portion):
                made.tell(portion, price(portion), np.full(len(portion), violations))
    return asked


def rounds_with_failures(
    made: Searcher, sizes: list[int], fails: Callable[[Population], BoolArray]
) -> list[Population]:
    """Asks, and tells what did not fail, then what did, at every fidelity."""
    asked = []
    for size in sizes:
        done = False
        while not done:
            population = made.ask(size)
            done = population.fidelity == 1.0
            failed = fails(population)
            kept, lost = population.take(~failed), population.take(failed)
            if len(kept):
                made.tell(kept, price(kept), np.zeros(len(kept)))
            if len(lost):
                made.tell_failures(lost)
            made.forecast(size)
            asked.append(population)
    return asked


def every_third(population: Population) -> BoolArray:
    return population.genes.sum(axis=1) % 3 == 0


def everything(population: Population) -> BoolArray:
    return np.ones(len(population), dtype=np.bool_)


def genes(asked: list[Population]) -> FloatArray:
    return np.concatenate([population.genes for population in asked])


Asked = Callable[[str], list[Population]]


@pytest.fixture(scope="module")
def asked_first(large: JointSpace) -> Asked:
    """Gives what a searcher of seed 0 asks for in its rounds and in one of a single candidate; once for all tests."""
    return cache(lambda name: rounds(create_for(name, large, 0), [*sizes(name), 1]))


def test_same_seed_and_same_tells_give_the_same_asks(name: str, large: JointSpace, asked_first: Asked) -> None:
    first = genes(asked_first(name)[:-1])
    again, other = (genes(rounds(create_for(name, large, seed), sizes(name))) for seed in (0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_candidates_are_canonical_and_never_repeated(name: str, large: JointSpace, asked_first: Asked) -> None:
    asked = genes(asked_first(name))
    assert len(asked) == sum(sizes(name)) + 1
    assert np.array_equal(large.population(asked).genes, asked)
    assert len(np.unique(asked, axis=0)) == len(asked)


def test_a_small_space_is_exhausted_exactly(name: str, small: JointSpace) -> None:
    asked = rounds(create_for(name, small, 0), [9, 9, 9, 9])
    assert [len(population) for population in asked] == [9, 9, 6, 0]
    assert len({population[row] for population in asked for row in range(len(population))}) == 24
    assert small.architectures.count() == 24


def test_a_whole_space_may_be_asked_at_once(name: str, small: JointSpace) -> None:
    made = create_for(name, small, 0)
    asked = [made.ask(1000) for _ in range(1 + SEARCHERS[name].uses_low_fidelity)]  # once at every fidelity
    assert [len(population.unique()) for population in asked] == [24] * len(asked)
    assert len({population.fidelity for population in asked}) == len(asked)
    assert len(made.ask(1)) == 0


@pytest.mark.parametrize("networks", [1, 2, 3])
@pytest.mark.parametrize("in_flight", [None, 2])
def test_spaces_of_few_networks_are_searched_to_the_end(name: str, networks: int, in_flight: int | None) -> None:
    only: dict[str, ValueSelector] = {"depth": [1], "kernel": [3], "expand": [2], "resolution": [12]}
    only |= {"0.0.expand": [2, 3, 4][:networks]}
    space = JointSpace(RestrictedSpace(create_space("mobilenet_v3_digits", 1, 10), only))
    metrics = ("macs", "parameters")[: SEARCHERS[name].most_objectives]
    objectives = tuple(Objective(METRICS[metric], AdditiveEvaluator(network_cost(space, metric))) for metric in metrics)
    leaves = (Subspace.whole(space),) if SEARCHERS[name].needs_leaves else ()
    record, dispatch = RunRecord("few/search", {}, 0), Dispatch(in_flight=in_flight)
    problem = SearchProblem(space, objectives, leaves)
    with ResultsDatabase("sqlite://") as database:
        plan = SearchPlan(problem, SEARCHERS[name](), record, budget=20, dispatch=dispatch)
        found = run_search(plan, database)
    assert len(found.population.unique()) == len(found) == networks


def test_infeasible_outcomes_do_not_stop_it(name: str, large: JointSpace) -> None:
    asked = genes(rounds(create_for(name, large, 0), sizes(name), violations=3.0))
    assert len(np.unique(asked, axis=0)) == sum(sizes(name))


def test_within_a_constraint_all_values_cost_the_same(name: str, large: JointSpace) -> None:
    if SEARCHERS[name].least_objectives > 1:
        pytest.skip("takes no single objective")
    tables = [network_cost(large, name) for name in ("macs", "parameters")]
    limit = float(np.median(tables[0](large.sample(np.random.default_rng(0), 500).genes)))
    objectives = (
        Objective(METRICS["macs"], lambda some: tables[0](some.genes), limit, constraint=True),
        Objective(METRICS["parameters"], lambda some: tables[1](some.genes)),
    )
    made, kept = create_searcher(name, problem_for(name, large, objectives), 0), []
    for size in sizes(name):
        population = ask_full(made, size)
        values = np.column_stack([objective.evaluate(population) for objective in objectives])
        found = compute_costs(objectives, values)
        assert (clip_to_constraints(objectives, found)[values[:, 0] <= limit, 0] == limit).all()
        made.tell(population, found, compute_violations(objectives, values))
        kept.append(population)
    assert len(np.unique(genes(kept), axis=0)) == sum(sizes(name))


def test_what_is_known_from_elsewhere_is_not_asked(name: str, small: JointSpace) -> None:
    made = create_for(name, small, 0)
    known = small.sample(np.random.default_rng(7), 12).unique()
    made.tell(known, price(known), np.zeros(len(known)))
    asked = np.concatenate([known.genes, *(population.genes for population in rounds(made, [5, 30]))])
    assert len(asked) == len(np.unique(asked, axis=0)) == 24


def test_what_is_obvious_extends_no_front(name: str, large: JointSpace, asked_first: Asked) -> None:
    """The largest, the smallest and other extremes, all layers alike: none adds 1 % to what a search found."""
    columns = [column for column, _ in enumerate(problem_for(name, large).objectives)]
    found = asked_first(name)[:-1]
    obvious = price(list_obvious_candidates(large))[:, columns]
    costs = np.concatenate([price(population)[:, columns] for population in found])
    corner = np.concatenate([costs, obvious]).max(axis=0) + 1.0
    volume = hypervolume(costs, corner)
    assert hypervolume(np.concatenate([costs, obvious]), corner) <= 1.01 * volume


def test_it_starts_with_the_first_design(name: str, large: JointSpace) -> None:
    if SEARCHERS[name].needs_leaves:
        pytest.skip("starts in every leaf")
    made, asked = create_for(name, large, 3), []
    for size in (7, 1, FIRST_DESIGN - 8):
        population = made.ask(size)
        made.tell(population, price(population), np.zeros(len(population)))
        asked.append(population)
    first_asked = Population(large, genes(asked)).unique()  # some ask at a low fidelity, and then in full
    assert np.array_equal(first_asked.genes[:FIRST_DESIGN], create_first_design(large, FIRST_DESIGN, 3).genes)


def test_searchers_with_an_outlook_say_so_and_ask_the_same(name: str, large: JointSpace) -> None:
    watched, alone = (create_for(name, large, 0) for _ in range(2))
    if not SEARCHERS[name].has_outlook:
        assert watched.forecast(15) is None
        return
    for size in (30, 15):  # larger batches than its own
        rounds(watched, [size])
        rounds(alone, [size])
        assert watched.forecast(15) is not None
    assert np.array_equal(watched.ask(15).genes, alone.ask(15).genes)


def test_who_has_a_predictor_learns_by_it(name: str, large: JointSpace, asked_first: Asked) -> None:
    method: Any = SEARCHERS[name]
    if not hasattr(method, "predictor"):
        pytest.skip("learns without a predictor")
    made = method(predictor="ridge").create(problem_for(name, large), 0)
    assert not np.array_equal(genes(rounds(made, sizes(name))), genes(asked_first(name)[:-1]))


def test_outcomes_may_come_late_and_in_any_order(name: str, large: JointSpace) -> None:
    made = create_for(name, large, 0)
    waiting = [made.ask(1) for _ in range(8)]
    asked = list(waiting)
    for turn in range(sum(sizes(name)) - 8):
        one = waiting.pop(turn * 5 % len(waiting))
        made.tell(one, price(one), np.zeros(len(one)))
        waiting.append(made.ask(1))
        asked.append(waiting[-1])
    assert all(len(population) for population in asked)
    for fidelity in {population.fidelity for population in asked}:
        once = genes([population for population in asked if population.fidelity == fidelity])
        assert len(np.unique(once, axis=0)) == len(once)


def test_failures_do_not_stop_it_nor_are_they_asked_again(name: str, large: JointSpace) -> None:
    batches = {"multi_fidelity": [9], "evolution": [40, 6]}.get(name, [31, 1])
    first, again = (rounds_with_failures(create_for(name, large, 0), batches, every_third) for _ in range(2))
    assert np.array_equal(genes(first), genes(again))
    assert sum(len(population) for population in first if population.fidelity == 1.0) == sum(batches)
    failed = np.concatenate([population.genes[every_third(population)] for population in first])
    assert len(failed) == len(np.unique(failed, axis=0)) > 3  # at no fidelity a second time


def test_a_first_design_that_fails_does_not_keep_it_from_learning(name: str, large: JointSpace) -> None:
    """What is asked for after others were told is not what would be asked for if all went on failing."""
    batches = {"multi_fidelity": [9, 9, 3]}.get(name, [31, 31, 1])
    told = iter([True] + [False] * 99)
    goes_on = rounds_with_failures(
        create_for(name, large, 0), batches, lambda some: np.full(len(some), next(told), dtype=np.bool_)
    )
    assert len(np.unique(genes([one for one in goes_on if one.fidelity == 1.0]), axis=0)) == sum(batches)
    hopeless = rounds_with_failures(create_for(name, large, 0), batches, everything)
    assert (name == "random") == np.array_equal(goes_on[-1].genes, hopeless[-1].genes)


def test_a_small_space_with_failures_is_exhausted_exactly(name: str, small: JointSpace) -> None:
    made = create_for(name, small, 0)
    known = small.sample(np.random.default_rng(7), 4).unique()
    made.tell_failures(known)  # of another search
    asked = rounds_with_failures(made, [20, 9], everything if name == "optuna_gp" else every_third)
    assert len(Population(small, np.concatenate([known.genes, genes(asked)])).unique()) == 24
    assert len(made.ask(5)) == 0
