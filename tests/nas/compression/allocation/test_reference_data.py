"""Published allocations, by HAWQ-V3 and HAQ: their data, and the optima that are known of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, PerLayer
from nas.compression.allocation.allocator import Allocator
from nas.compression.allocation.dynamic_program import DynamicProgramAllocator
from nas.compression.allocation.frontier import Frontier
from nas.compression.allocation.frontier_allocator import FrontierAllocator
from nas.compression.allocation.milp import MilpAllocator


def hawq_layers(folder: Path) -> tuple[PerLayer, dict[str, PerLayer], tuple[tuple[int, ...], ...]]:
    """Perturbations at 4 and 8 bits, the three costs by name, and the ties of ResNet-18."""
    rows = pd.read_csv(folder / "layers.csv")
    damage = rows[["dw2_4bit", "dw2_8bit"]].to_numpy() * rows[["hessian_trace"]].to_numpy()
    mib = rows[["params"]].to_numpy() / 2**20
    bops = rows[["macs"]].to_numpy() / 1e6
    costs = {
        "model_size": mib * [0.5, 1.0],
        "bops": bops * [1 / 64, 1 / 16],
        "latency": rows[["latency_ms_int4", "latency_ms_int8"]].to_numpy(),
    }
    ties = rows.groupby("tied_to")["layer"].apply(tuple)
    tied = tuple(tie for tie in ties if len(tie) > 1)
    return tuple(damage), {name: tuple(values) for name, values in costs.items()}, tied


@pytest.mark.parametrize("allocator", [MilpAllocator(), FrontierAllocator(), DynamicProgramAllocator()])
def test_the_nine_programs_of_hawq_have_their_optima(reference_data: Path, allocator: Allocator) -> None:
    folder = reference_data / "hawq_resnet18"
    damage, costs, ties = hawq_layers(folder)
    cases = json.loads((folder / "reference_optima.json").read_text())["cases"]
    assert len(cases) == 9
    for case in cases:
        name = case["constraint"]
        problem = AllocationProblem(damage, (Budget(name, costs[name], case["limit"]),), ties)
        chosen = allocator.allocate(problem)
        assert [(4, 8)[choice] for choice in chosen] == case["optimal_bits"]
        assert problem.budgets[0].spend(chosen) == pytest.approx(case["value"], rel=1e-9)
        assert problem.damage_of(chosen) == pytest.approx(case["total_perturbation"], rel=1e-9)


def test_budgets_of_cycles_are_almost_used_up(reference_data: Path) -> None:
    """HAQ's MobileNetV2: 64 pairs of bits for each layer, the first and the last one at 8 bits; damage is made up."""
    cycles = np.load(reference_data / "haq_mobilenetv2" / "latency_cycles.npy").reshape(53, 64).astype(float)
    bits = np.arange(1, 9)
    worth = np.random.default_rng(0).lognormal(size=53)
    damage = [weight * (4.0 ** -bits[:, None] + 4.0**-bits).ravel() for weight in worth]
    for layer in (0, -1):
        cycles[layer], damage[layer] = cycles[layer][-1], damage[layer] * 0
    whole = cycles[:, -1].sum()
    problem = AllocationProblem(tuple(damage), (Budget("cycles", tuple(cycles), 0.6 * whole),))
    frontier = Frontier.from_problem(problem, buckets=2000)
    for share, row in zip((0.5, 0.6), frontier.read_off(np.array([0.5, 0.6]) * whole).tolist(), strict=True):
        exact = AllocationProblem(problem.damage, (Budget("cycles", tuple(cycles), share * whole),))
        best = MilpAllocator().allocate(exact)
        for found in (row, best):
            assert 0.99 * share * whole <= exact.budgets[0].spend(found) <= share * whole
        assert problem.damage_of(best) - 1e-9 <= problem.damage_of(row) <= 1.01 * problem.damage_of(best)
