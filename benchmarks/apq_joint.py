"""Architecture and bits together against the best architecture first and its bits after, on APQ's BitFusion table.

In: the reference data. Out: rows of the table in `README.md`. Latency and energy are APQ's; the accuracy is an additive
model that is drawn for each seed, not a measurement: what a layer adds with its size, less what its bits cost.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from report import row

from hardware.importers.apq import read_apq
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from nas.objectives import AdditiveEvaluator, FloatArray, Objective, compute_costs, compute_violations
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import create_searcher
from results.metric import METRICS
from search_spaces.additive_cost import AdditiveCost, Term
from search_spaces.candidate import Architecture
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.mobilenet_v3 import MobileNetV3Shape, MobileNetV3Space, MobileStage
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.restricted_space import RestrictedSpace
from search_spaces.search_space import SearchSpace

WIDTHS, STRIDES = (24, 40, 80, 96, 192, 320), (2, 2, 2, 1, 2, 1)
POLICIES = ("w8a8", "w6a6", "w4a4", "w8a4", "w4a8")
BUDGETS = {LATENCY: np.linspace(3.5, 8.0, 10), "energy_mj": np.linspace(5.5, 13.0, 10)}
SLACKS = (1.0, 1.25, 1.5, 1.75)  # by how much the 8-bit architecture of the first stage may exceed the budget
JOINT, FIRST, SECOND = 600, 200, 50  # evaluations: one joint search and one first stage serve all budgets
COMMAND = "python benchmarks/apq_joint.py"


def apq_space() -> SearchSpace:
    """APQ's space, kernels 3 and 5: those of 7 were not simulated with activations of 4 bits."""
    stages = tuple(MobileStage(width, stride, "relu", False) for width, stride in zip(WIDTHS, STRIDES, strict=True))
    shape = MobileNetV3Shape((224,), (1, 2, 3, 4), (3, 5), (4, 5, 6), 16, 2, stages, 1280, 1280)
    depths = {f"{stage}.depth": [2, 3, 4] for stage in range(5)} | {"5.depth": [1]}
    return RestrictedSpace(MobileNetV3Space("apq", shape, 3, 1000), depths)


def only(space: SearchSpace, architecture: Architecture) -> SearchSpace:
    """The space of one architecture."""
    values = space.decode_values(space.encode(architecture))
    return RestrictedSpace(space, {name: [value] for name, value in values.items()})


def accuracy_model(seed: int) -> Callable[[LayerSpec, LayerPolicy], float]:
    """Points of accuracy that a layer adds: concave in its size, and less by a layer's own sensitivity to few bits."""

    @cache
    def drawn(name: str) -> FloatArray:
        spread = np.random.default_rng([seed, *name.encode()]).normal(size=2)
        return np.array([0.6, 0.6]) * np.exp(spread * [0.5, 1.0])

    def points(layer: LayerSpec, policy: LayerPolicy) -> float:
        if not layer.name.startswith("stages."):
            return 0.0
        gain, sensitivity = drawn(layer.name)
        lost = sensitivity * (2.0**-policy.weight_bits + 2.0**-policy.activation_bits)
        return float(gain * np.sqrt(layer.macs / 1e7) - lost)

    return points


def objectives(space: JointSpace, table: LatencyTable, metric: str, seed: int, limit: float | None) -> list[Objective]:
    def cost(layer: LayerSpec, policy: LayerPolicy) -> float:
        return table.cost(metric, [(layer, policy)]) if layer.name.startswith("stages.") else 0.0

    whole = AdditiveCost([*space.tabulate(cost).terms, Term((), np.array(table.constants[metric]))])
    return [
        Objective(METRICS["accuracy"], AdditiveEvaluator(space.tabulate(accuracy_model(seed))), exact=True),
        Objective(METRICS[metric], AdditiveEvaluator(whole), limit, exact=True),
    ]


def searched(
    space: JointSpace, wanted: Sequence[Objective], seed: int, evaluations: int
) -> tuple[Population, FloatArray]:
    """What LINAS evaluates, and its values, shape (n, 2)."""
    made = create_searcher("linas", SearchProblem(space, tuple(wanted)), seed)
    found, values = space.population(np.empty((0, len(space.cardinalities)))), np.empty((0, len(wanted)))
    while len(found) < evaluations and len(population := made.ask(10)):
        new = np.column_stack([objective.evaluate(population) for objective in wanted])
        made.tell(population, compute_costs(wanted, new), compute_violations(wanted, new))
        found, values = (
            Population(space, np.concatenate([found.genes, population.genes])),
            np.concatenate([values, new]),
        )
    return found, values


def best_within(values: FloatArray, budget: float) -> int | None:
    """Row of the most accurate candidate within a budget."""
    rows = np.flatnonzero(values[:, 1] <= budget)
    return int(rows[values[rows, 0].argmax()]) if len(rows) else None


def gains(table: LatencyTable, metric: str, seed: int) -> list[float]:
    """Points of accuracy by which the joint search is ahead at every budget, of the best slack's second stage."""
    whole = apq_space()
    joint, first = (JointSpace(whole, PolicySpace.parse(policies)) for policies in (POLICIES, POLICIES[:1]))
    most = float(BUDGETS[metric].max())
    together = searched(joint, objectives(joint, table, metric, seed, most), seed, JOINT)[1]
    most *= max(SLACKS)
    architectures, at_8_bits = searched(first, objectives(first, table, metric, seed, most), seed, FIRST)
    found = []
    for budget in BUDGETS[metric]:
        firsts = (best_within(at_8_bits, slack * budget) for slack in SLACKS)
        rows = {row for row in firsts if row is not None}
        bests = []
        for at in rows:
            bits = JointSpace(only(whole, architectures[at].architecture), PolicySpace.parse(POLICIES))
            values = searched(bits, objectives(bits, table, metric, seed, float(budget)), seed, SECOND)[1]
            inside = best_within(values, budget)
            bests += [] if inside is None else [values[inside, 0]]
        inside = best_within(together, budget)
        mine = -np.inf if inside is None else together[inside, 0]
        found.append(float(mine - max(bests, default=-np.inf)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    table = read_apq(options.data / "apq_bitfusion" / "layers.csv")
    seeds = f"0 to {options.seeds - 1}"
    for metric, budgets in BUDGETS.items():
        ahead = np.array([gains(table, metric, seed) for seed in range(options.seeds)])
        within = f"APQ BitFusion, {len(budgets)} budgets of {metric}"
        shares = (100 * (ahead > 0).mean(axis=1)).tolist()
        print(row(f"{within}, share where joint search beats two stages", shares, "{:.0f} %", seeds, COMMAND))
        print(row(f"{within}, accuracy gained", ahead.ravel().tolist(), "{:+.2f} points", seeds, COMMAND), flush=True)


if __name__ == "__main__":
    main()
