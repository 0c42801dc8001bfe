"""A limit that no candidate can keep is told, with the least that one has; one that some candidate keeps is not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hardware.tables.table_file import load_table
from nas.compression.allocation.allocator import OutOfTime, SolverFailed
from nas.compression.allocation.milp import MilpAllocator
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import ExactCosts, StoredTable
from nas.jobs.stages.limit_check import check_limits
from nas.objectives import FloatArray
from nas.search.surrogate.weighted_costs import list_uniform
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace

POLICIES = PolicySpace.parse(["w32a32", "w8a8", "w4a8"])
DIGITS = create_space("mobilenet_v3_digits", 1, 10)


def limited(**limits: float | str) -> SearchSection:
    return SearchSection(objectives=["accuracy"], limits=limits)


@pytest.mark.parametrize("name", ["weight_bytes", "macs", "latency_ms"])
@pytest.mark.parametrize("architectures", [DIGITS, RestrictedSpace(DIGITS, {"depth": [1]})], ids=["all", "shallow"])
def test_the_least_of_all_candidates_can_be_kept_and_no_less(
    name: str, architectures: RestrictedSpace, synthetic_table: Path
) -> None:
    space = JointSpace(architectures, POLICIES)
    costs = ExactCosts(space, StoredTable(synthetic_table, load_table(synthetic_table)))
    with pytest.raises(
        ValueError, match=rf"search.limits.{name} must be .* or more, as no candid.* got 1e-06; re"
    ) as told:
        check_limits(costs, limited(**{name: 1e-6}))
    least = float(re.findall(r"must be (\S+) or", str(told.value))[0])
    check_limits(costs, limited(**{name: least}))
    with pytest.raises(ValueError, match="or more, as no candidate"):
        check_limits(costs, limited(**{name: least * 0.999}))
    sampled = costs.additive(name)(space.sample(np.random.default_rng(1), 3000).genes).min()
    assert 0.3 * sampled < least <= sampled * (1 + 1e-6)


def test_a_space_of_one_network_is_its_own_least() -> None:
    only = {gene.dimension: "largest 1" for gene in DIGITS.genes}
    space = JointSpace(RestrictedSpace(DIGITS, only), PolicySpace.parse(["w32a32"]))
    with pytest.raises(ValueError, match=r"search\.limits\.macs must be"):
        check_limits(ExactCosts(space, None), limited(macs=10.0))


def test_what_nothing_tells_exactly_is_not_judged() -> None:
    check_limits(ExactCosts(JointSpace(DIGITS, POLICIES), None), limited(accuracy=100.0, latency_ms=1e-9))


def test_shares_of_the_given_network_are_checked_as_what_they_are() -> None:
    costs = ExactCosts(JointSpace(DIGITS, PolicySpace.parse(["w8a8", "w4a8"])), None)
    check_limits(costs, limited(weight_bytes="50 % of given", accuracy="99.9 % of given"))
    with pytest.raises(ValueError, match=r"weight_bytes must be \d+ or more, as no.* got 0.1 % of given, \d+.*; relax"):
        check_limits(costs, limited(weight_bytes="0.1 % of given"))
    with pytest.raises(ValueError, match=r"latency_ms is 50 % of given, .*; add w32a32 to space.policies"):
        check_limits(costs, limited(latency_ms="50 % of given"))


def test_limits_that_exclude_one_another_are_told_by_how_much(given_space: GivenSpace) -> None:
    """Weights of 3 bits are small, activations of 4 take few operations, and no policy has both."""
    costs = ExactCosts(JointSpace(given_space, PolicySpace.parse(["w3a8", "w4a4"])), None)
    least = {name: uniform_cost(costs, name).min() for name in ("weight_bytes", "bops")}
    half = {name: uniform_cost(costs, name).mean() for name in least}
    check_limits(costs, limited(**{name: 1.01 * value for name, value in half.items()}))
    with pytest.raises(ValueError, match=r"keeps search.limits.weight_bytes and .*bops: the nearest exceeds .* by \d"):
        check_limits(costs, limited(**least))


@pytest.mark.parametrize("fault", [OutOfTime("it took more than 60 s"), SolverFailed("numerical trouble")])
def test_a_solver_without_an_answer_is_told_as_such(
    given_space: GivenSpace, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(MilpAllocator, "solve", fail)
    costs = ExactCosts(JointSpace(given_space, PolicySpace.parse(["w3a8", "w4a4"])), None)
    least = {name: uniform_cost(costs, name).min() for name in ("weight_bytes", "bops")}
    with pytest.raises(ValueError, match=rf"whether .*bytes and search.limits.bops was not found: {fault}; relax them"):
        check_limits(costs, limited(**least))


@pytest.mark.parametrize("tabulated", [False, True])
def test_limits_that_stages_check_again_are_not_solved_again(
    tabulated: bool, given_space: GivenSpace, synthetic_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = StoredTable(synthetic_table, load_table(synthetic_table)) if tabulated else None
    solved = []
    monkeypatch.setattr(MilpAllocator, "solve", lambda _, problem: solved.append(problem))
    space = JointSpace(given_space, PolicySpace.parse(["w3a8", "w4a4"]))
    least = {name: uniform_cost(ExactCosts(space, stored), name).min() for name in ("weight_bytes", "bops")}
    for _ in range(3):
        check_limits(ExactCosts(space, stored), limited(**least))
    assert len(solved) == 1


def uniform_cost(costs: ExactCosts, name: str) -> FloatArray:
    return costs.additive(name)(list_uniform(costs.space))
