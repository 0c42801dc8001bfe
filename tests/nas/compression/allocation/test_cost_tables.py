"""What a latency table says of a given network, conversions and all, is what an allocation of it spends."""

from __future__ import annotations

import numpy as np
import pytest

from hardware.building.calibrate_table import build_random_network
from hardware.calibration.calibration import Calibration
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensors import find_tensors
from hardware.device import ONNXRUNTIME_CPU
from hardware.tables.latency_table import LatencyTable
from hardware.tables.pricing import tabulate_prices
from hardware.tables.roofline import Roofline
from nas.compression.allocation.allocation_problem import AllocationProblem
from nas.compression.allocation.cost_tables import budget_cost, split_cost
from nas.compression.allocation.frontier_allocator import FrontierAllocator
from nas.compression.allocation.milp import MilpAllocator
from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace


def calibrated_table(space: JointSpace) -> LatencyTable:
    """A made-up table, in which every use of a tensor has a cost of its own."""
    rng = np.random.default_rng(0)
    made_up = {LayerPolicy(): 10.0, LayerPolicy.quantized(7, 8): 50.0, LayerPolicy.quantized(8, 8): 40.0}
    entries = Roofline("npu", made_up, 1.0, 2.0).table(space.list_distinct_layers()).entries
    networks = [build_random_network(space, one, ONNXRUNTIME_CPU) for one in space.sample(rng, 40).candidates]
    uses = dict.fromkeys(tensor.use for network in networks for tensor in find_tensors(network))
    costs = TensorCosts({use: TensorCost(rng.uniform(0.01, 0.5), 0.0) for use in uses})
    return LatencyTable(ONNXRUNTIME_CPU, entries).with_calibration(Calibration(0.3, costs), {})


@pytest.mark.parametrize("allocator", [FrontierAllocator(), MilpAllocator()])
def test_latencies_with_conversions_are_a_budget(
    given_space: GivenSpace, allocator: FrontierAllocator | MilpAllocator
) -> None:
    space = JointSpace(given_space, PolicySpace.parse(["w32a32", "w8a8", "w4a8", "w2a8"]))
    latency, sizes = tabulate_prices(space, calibrated_table(space)), space.cardinalities.tolist()
    every = np.indices(sizes).reshape(len(sizes), -1).T
    found = latency(space.population(every).genes)
    damage = tuple(np.random.default_rng(1).random(size) for size in sizes)
    for most in np.quantile(found, [0.1, 0.5, 0.9]):
        budget = budget_cost("latency_ms", latency, sizes, float(most))
        assert budget.joint  # conversions are no sum over layers
        assert [budget.spend(row.tolist()) for row in every] == pytest.approx(found, rel=1e-12)
        problem = AllocationProblem(damage, (budget,))
        spent = np.array([budget.spend(row.tolist()) for row in every])
        least = min(problem.damage_of(row.tolist()) for row in every[spent <= most])
        assert problem.damage_of(allocator.allocate(problem)) == pytest.approx(least, rel=1e-12)


def test_a_constant_counts_once() -> None:
    terms = [Term((), np.array(5.0)), Term((1,), np.array([1.0, 2.0])), Term((1, 0), np.ones((2, 3)))]
    alone, joint = split_cost(AdditiveCost(terms), [3, 2])
    assert [known.tolist() for known in alone] == [[5.0] * 3, [1.0, 2.0]]
    assert [term.columns for term in joint] == [(1, 0)]
