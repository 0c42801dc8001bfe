"""What is looked up: analytic costs without a table, latency with one, and both by the names of a job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hardware.analytic import network_cost
from hardware.tables.table_file import load_table
from nas.jobs.files.search_section import SearchSection
from nas.jobs.stages.exact_costs import ExactCosts, StoredTable
from nas.objectives import FloatArray
from results.metric import get_metric
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space

SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(["w32a32", "w8a8", "w4a8"]))


def never(_: Population) -> FloatArray:
    raise AssertionError("it is looked up")


def test_without_a_table_costs_hold_on_any_device() -> None:
    costs = ExactCosts(SPACE, None)
    assert (costs.device, costs.error_percent, dict(costs.inputs)) == ("any", None, {})
    some = SPACE.sample(np.random.default_rng(0), 5)
    assert np.array_equal(costs.objective("macs").evaluate(some), network_cost(SPACE, "macs")(some.genes))
    with pytest.raises(ValueError, match="latency_ms is priced by a latency table, and none was read"):
        costs.objective("latency_ms")


def test_objectives_stand_in_the_order_of_the_job_and_limits_after_them(synthetic_table: Path) -> None:
    costs = ExactCosts(SPACE, StoredTable(synthetic_table, load_table(synthetic_table)))
    section = SearchSection(objectives=["latency_ms", "accuracy"], limits={"accuracy": 60.0, "weight_bytes": 5e4})
    objectives = costs.job_objectives(section, {get_metric("accuracy"): never}, {})
    assert [one.metric.name for one in objectives] == ["latency_ms", "accuracy", "weight_bytes"]
    assert [one.limit for one in objectives] == [None, 60.0, 5e4]
    assert [one.constraint for one in objectives] == [False, False, True]
    assert [one.exact for one in objectives] == [True, False, True]
    assert costs.error_percent == 3.5
    assert costs.inputs["latency_table"] == synthetic_table


def test_limits_may_be_shares_of_the_largest_network_at_full_precision(synthetic_table: Path) -> None:
    table = StoredTable(synthetic_table, load_table(synthetic_table))
    costs = ExactCosts(JointSpace(SPACE.architectures, PolicySpace.parse(["w8a8", "w4a8"])), table)
    whole = SPACE.encode([SPACE.largest()])  # its first policy is w32a32
    section = SearchSection(
        objectives=["accuracy"],
        limits={"accuracy": "99 % of given", "weight_bytes": "25 % of given", "latency_ms": "50 % of given"},
    )
    objectives = costs.job_objectives(section, {get_metric("accuracy"): never}, {"accuracy": 90.0})
    expected = [89.1, *(share * ExactCosts(SPACE, table).additive(name)(whole.genes)[0] for share, name in SHARES)]
    assert [one.limit for one in objectives] == pytest.approx(expected)


SHARES = ((0.25, "weight_bytes"), (0.5, "latency_ms"))
