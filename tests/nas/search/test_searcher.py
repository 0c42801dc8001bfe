"""The contract of searchers, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from hardware.analytic import network_cost
from nas.objectives import FloatArray, Objective, compared, costs, violations
from nas.search.first_design import FIRST_DESIGN, first_design, obvious_candidates
from nas.search.registry import SEARCHERS, searcher
from nas.search.screening import ScreeningSearcher
from nas.search.searcher import Searcher
from predictors.predictor import Predictor
from predictors.ridge import RidgePredictor
from results.metric import METRICS
from results.pareto import hypervolume
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.subspace import Subspace
from search_spaces.value_selector import ValueSelector

pytestmark = pytest.mark.parametrize("name", list(SEARCHERS))


@pytest.fixture(scope="module")
def large() -> JointSpace:
    return JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))


@pytest.fixture(scope="module")
def small() -> JointSpace:
    """24 candidates among 32 gene vectors."""
    whole = create_space("resnet_digits", 1, 10)
    only: dict[str, ValueSelector] = {"0.0.ratio": [0.5], "0.1.ratio": [0.5], "0.width": [16], "1.width": [24]}
    return JointSpace(RestrictedSpace(whole, only))


def problem(name: str, space: JointSpace) -> list[Objective]:
    """The costs of `price`, as many as the searcher takes. They are not to be evaluated."""

    def never(_: Population) -> FloatArray:
        raise AssertionError("a searcher evaluates exact objectives only")

    return [Objective(METRICS[metric], never) for metric in ("macs", "parameters")][: SEARCHERS[name].most_objectives]


def price(population: Population) -> FloatArray:
    """Two costs in conflict: less computation, more parameters."""
    space = population.space
    macs, parameters = (network_cost(space, name)(population.genes) for name in ("macs", "parameters"))
    return np.column_stack([macs, -parameters])


def leaves_for(name: str, space: JointSpace) -> list[Subspace]:
    whole = Subspace.whole(space)
    return [whole.restrict(0, [value]) for value in range(2)] if SEARCHERS[name].of_leaves else []


def made_for(name: str, space: JointSpace, seed: int) -> Searcher:
    return searcher(name, space, problem(name, space), seed, leaves_for(name, space))


def sizes(name: str) -> list[int]:
    """Enough for a searcher to leave its random start; one that takes a second for a candidate is asked for few."""
    return [31, 1] if name == "optuna_gp" else [36, 6, 6]


def rounds(made: Searcher, sizes: list[int], violations: float = 0.0) -> list[Population]:
    """Asks and tells, each outcome in two portions; what is screened costs roughly as much."""
    asked = []
    for size in sizes:
        if isinstance(made, ScreeningSearcher):
            looked = made.screen(2 * size)
            if len(looked):
                made.tell_screened(looked, np.round(price(looked), -4))
        population = made.ask(size)
        asked.append(population)
        for part in (slice(0, size // 3), slice(size // 3, None)):
            portion = population.take(part)
            if len(portion):
                made.tell(portion, price(portion), np.full(len(portion), violations))
    return asked


def genes(asked: list[Population]) -> FloatArray:
    return np.concatenate([population.genes for population in asked])


Asked = Callable[[str], list[Population]]


@pytest.fixture(scope="module")
def asked_first(large: JointSpace) -> Asked:
    """Gives what a searcher of seed 0 asks for in its rounds and in one of a single candidate; once for all tests."""
    return cache(lambda name: rounds(made_for(name, large, 0), [*sizes(name), 1]))


def test_same_seed_and_same_tells_give_the_same_asks(name: str, large: JointSpace, asked_first: Asked) -> None:
    first = genes(asked_first(name)[:-1])
    again, other = (genes(rounds(made_for(name, large, seed), sizes(name))) for seed in (0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_candidates_are_canonical_and_never_repeated(name: str, large: JointSpace, asked_first: Asked) -> None:
    asked = genes(asked_first(name))
    assert len(asked) == sum(sizes(name)) + 1
    assert np.array_equal(large.population(asked).genes, asked)
    assert len(np.unique(asked, axis=0)) == len(asked)


def test_a_small_space_is_exhausted_exactly(name: str, small: JointSpace) -> None:
    asked = rounds(made_for(name, small, 0), [9, 9, 9, 9])
    assert [len(population) for population in asked] == [9, 9, 6, 0]
    assert len({population[row] for population in asked for row in range(len(population))}) == 24
    assert small.architectures.count() == 24


def test_a_whole_space_may_be_asked_at_once(name: str, small: JointSpace) -> None:
    made = made_for(name, small, 0)
    assert len(made.ask(1000).unique()) == 24
    assert len(made.ask(1)) == 0


def test_infeasible_outcomes_do_not_stop_it(name: str, large: JointSpace) -> None:
    asked = genes(rounds(made_for(name, large, 0), sizes(name), violations=3.0))
    assert len(np.unique(asked, axis=0)) == sum(sizes(name))


def test_within_a_constraint_all_values_cost_the_same(name: str, large: JointSpace) -> None:
    if SEARCHERS[name].least_objectives > 1:
        pytest.skip("takes no single objective")
    tables = [network_cost(large, name) for name in ("macs", "parameters")]
    limit = float(np.median(tables[0](large.sample(np.random.default_rng(0), 500).genes)))
    objectives = [
        Objective(METRICS["macs"], lambda some: tables[0](some.genes), limit, constraint=True),
        Objective(METRICS["parameters"], lambda some: tables[1](some.genes)),
    ]
    made, kept = searcher(name, large, objectives, 0, leaves_for(name, large)), []
    for size in sizes(name):
        population = made.ask(size)
        values = np.column_stack([objective.evaluate(population) for objective in objectives])
        told = costs(objectives, values)
        assert (compared(objectives, told)[values[:, 0] <= limit, 0] == limit).all()
        made.tell(population, told, violations(objectives, values))
        kept.append(population)
    assert len(np.unique(genes(kept), axis=0)) == sum(sizes(name))


def test_what_is_known_from_elsewhere_is_not_asked(name: str, small: JointSpace) -> None:
    made = made_for(name, small, 0)
    known = small.sample(np.random.default_rng(7), 12).unique()
    made.tell(known, price(known), np.zeros(len(known)))
    asked = np.concatenate([known.genes, *(population.genes for population in rounds(made, [5, 30]))])
    assert len(asked) == len(np.unique(asked, axis=0)) == 24


def test_what_is_obvious_extends_no_front(name: str, large: JointSpace, asked_first: Asked) -> None:
    """The largest, the smallest and other extremes, all layers alike: none adds 1 % to what a search found."""
    columns = [column for column, _ in enumerate(problem(name, large))]
    found = asked_first(name)[:-1]
    obvious = price(obvious_candidates(large))[:, columns]
    costs = np.concatenate([price(population)[:, columns] for population in found])
    corner = np.concatenate([costs, obvious]).max(axis=0) + 1.0
    volume = hypervolume(costs, corner)
    assert hypervolume(np.concatenate([costs, obvious]), corner) <= 1.01 * volume


def test_it_starts_with_the_first_design(name: str, large: JointSpace) -> None:
    if SEARCHERS[name].of_leaves or SEARCHERS[name].screens:
        pytest.skip("starts in every leaf, or with what looks best of the design")
    made, asked = made_for(name, large, 3), []
    for size in (7, 1, FIRST_DESIGN - 8):
        population = made.ask(size)
        made.tell(population, price(population), np.zeros(size))
        asked.append(population)
    assert np.array_equal(genes(asked), first_design(large, FIRST_DESIGN, 3).genes)


def test_who_foresees_says_so_and_asks_the_same(name: str, large: JointSpace) -> None:
    watched, alone = (made_for(name, large, 0) for _ in range(2))
    assert watched.foresees == SEARCHERS[name].foresees
    if not watched.foresees:
        assert watched.foresee(15) is None
        return
    for size in (30, 15):  # larger batches than its own
        rounds(watched, [size])
        rounds(alone, [size])
        assert watched.foresee(15) is not None
    assert np.array_equal(watched.ask(15).genes, alone.ask(15).genes)


def test_who_learns_does_so_by_the_predictor_of_its_problem(name: str, large: JointSpace) -> None:
    seeds: list[int] = []

    def counted(seed: int) -> Predictor:
        seeds.append(seed)
        return RidgePredictor()

    made = searcher(name, large, problem(name, large), 5, leaves_for(name, large), counted)
    rounds(made, sizes(name))
    assert bool(seeds) == SEARCHERS[name].learns
    if name != "split":  # its leaves have seeds of their own
        assert set(seeds) <= {5}


def test_outcomes_may_come_late_and_in_any_order(name: str, large: JointSpace) -> None:
    made = made_for(name, large, 0)
    waiting = [made.ask(1) for _ in range(8)]
    asked = list(waiting)
    for turn in range(sum(sizes(name)) - 8):
        one = waiting.pop(turn * 5 % len(waiting))
        made.tell(one, price(one), np.zeros(1))
        waiting.append(made.ask(1))
        asked.append(waiting[-1])
    assert len(np.unique(genes(asked), axis=0)) == sum(sizes(name))
