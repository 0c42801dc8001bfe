"""Which candidates make a front, and which role each has, whatever the objectives are."""

from __future__ import annotations

import numpy as np
import pytest

from nas.objectives import FloatArray, NothingFeasible, Objective
from nas.search.front import Front, find_front
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("resnet20_cifar", 3, 10))


def never(_: Population) -> FloatArray:
    raise AssertionError("a front is made of values, and evaluates nothing")


def objectives(*names: str, limit: float | None = None, constraint: bool = False) -> list[Objective]:
    first, *others = names
    return [
        Objective(METRICS[first], never, limit, constraint=constraint),
        *(Objective(METRICS[name], never, exact=True) for name in others),
    ]


def found(wanted: list[Objective], values: list[list[float]], most: int | None = None) -> tuple[Front, list[int]]:
    population = SPACE.sample(np.random.default_rng(0), len(values))
    front, rows = find_front(population, wanted, np.array(values), most)
    assert [one.key for one in front.population.candidates] == [population[row].key for row in rows]
    return front, rows.tolist()


def test_the_front_keeps_the_limits_and_starts_with_the_best() -> None:
    values = [[90.0, 1.0], [97.0, 4.0], [95.0, 2.0], [94.0, 3.0]]
    front, rows = found(objectives("accuracy", "latency_ms"), values)
    assert rows == [1, 2, 0]
    assert front.column("latency_ms").tolist() == [4.0, 2.0, 1.0]
    assert found(objectives("accuracy", "latency_ms", limit=95.0), values)[1] == [1, 2]


def test_where_nothing_keeps_the_limit_it_says_how_near_the_nearest_comes() -> None:
    nearest = r"nothing satisfies accuracy >= 98: the nearest of 2 candidates has accuracy 97; relax"
    with pytest.raises(NothingFeasible, match=nearest):
        found(objectives("accuracy", "latency_ms", limit=98.0), [[90.0, 1.0], [97.0, 4.0]])


@pytest.mark.parametrize("count", [3, 4, 10, 30])
def test_a_thinned_front_keeps_its_ends(count: int) -> None:
    """The smallest network lies in the middle of the order by accuracy, and stays."""
    values = [[90.0 + row, 1.0 + row, 50.0 if row == 7 else 100.0 - row] for row in range(20)]
    three = objectives("accuracy", "latency_ms", "weight_bytes")
    front, kept = found(three, values, count)
    assert len(kept) == len(front) == min(count, len(found(three, values)[1]))
    assert {19, 0, 7} <= set(kept)


def test_roles_follow_from_the_objectives() -> None:
    values = [[99.0, 9.0, 90.0], [90.0, 1.0, 60.0], [95.0, 3.0, 30.0], [80.0, 5.0, 5.0]]
    front, rows = found(objectives("accuracy", "energy_mj", "macs"), values)
    roles = {role: rows[row] for role, row in front.choose_roles(4).items()}
    assert roles == {"best accuracy": 0, "balanced": 2, "lowest energy_mj": 1, "lowest macs": 3}


@pytest.mark.parametrize(("count", "roles"), [(1, ["best accuracy"]), (3, ["best accuracy", "front 1"])])
def test_no_network_is_chosen_twice(count: int, roles: list[str]) -> None:
    tie = [[99.0, 1.0], [99.0, 1.0]]  # equal ones are both kept
    assert list(found(objectives("accuracy", "latency_ms"), tie)[0].choose_roles(count)) == roles


def test_what_is_only_limited_has_no_role() -> None:
    wanted = [*objectives("accuracy"), Objective(METRICS["latency_ms"], never, 5.0, exact=True, constraint=True)]
    front, rows = found(wanted, [[90.0, 1.0], [95.0, 4.0], [97.0, 6.0]])
    assert rows == [1]
    assert front.choose_roles(3) == {"best accuracy": 0}
