"""The contract of searchers, over all of them: a new one is tested by its line in the registry."""

from __future__ import annotations

import numpy as np
import pytest

from hardware import analytic
from nas.objectives import FloatArray
from nas.search.registry import SEARCHERS, searcher
from nas.search.searcher import Searcher
from search_spaces.joint_space import JointSpace, PolicySpace, Population
from search_spaces.registry import search_space

pytestmark = pytest.mark.parametrize("name", list(SEARCHERS))


@pytest.fixture(scope="module")
def large() -> JointSpace:
    return JointSpace(search_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))


@pytest.fixture(scope="module")
def small() -> JointSpace:
    """288 candidates among 512 gene vectors."""
    return JointSpace(search_space("resnet_digits", 1, 10))


def price(population: Population) -> FloatArray:
    """Two costs in conflict: less computation, more parameters."""
    space = population.space
    macs, parameters = (space.tabulate(cost)(population.genes) for cost in (analytic.macs, analytic.parameters))
    return np.column_stack([macs, -parameters])


def rounds(made: Searcher, sizes: list[int], violations: float = 0.0) -> list[Population]:
    """Asks and tells, each outcome in two portions."""
    asked = []
    for size in sizes:
        population = made.ask(size)
        asked.append(population)
        for part in (slice(0, size // 3), slice(size // 3, None)):
            portion = population.take(part)
            if len(portion):
                made.tell(portion, price(portion), np.full(len(portion), violations))
    return asked


def genes(asked: list[Population]) -> FloatArray:
    return np.concatenate([population.genes for population in asked])


def test_same_seed_and_same_tells_give_the_same_asks(name: str, large: JointSpace) -> None:
    first, again, other = (genes(rounds(searcher(name, large, seed), [40] * 6)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_candidates_are_canonical_and_never_repeated(name: str, large: JointSpace) -> None:
    asked = genes(rounds(searcher(name, large, 0), [100, 7, 1, 100, 100]))
    assert len(asked) == 308
    assert np.array_equal(large.population(asked).genes, asked)
    assert len(np.unique(asked, axis=0)) == len(asked)


def test_a_small_space_is_exhausted_exactly(name: str, small: JointSpace) -> None:
    asked = rounds(searcher(name, small, 0), [110, 110, 110, 110])
    assert [len(population) for population in asked] == [110, 110, 68, 0]
    assert len({population[row] for population in asked for row in range(len(population))}) == 288
    assert small.architectures.count() == 288


def test_a_whole_space_may_be_asked_at_once(name: str, small: JointSpace) -> None:
    made = searcher(name, small, 0)
    assert len(made.ask(1000).unique()) == 288
    assert len(made.ask(1)) == 0


def test_infeasible_outcomes_do_not_stop_it(name: str, large: JointSpace) -> None:
    asked = genes(rounds(searcher(name, large, 0), [60] * 4, violations=3.0))
    assert len(np.unique(asked, axis=0)) == 240
