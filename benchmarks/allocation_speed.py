"""Allocation of bits: exact frontiers, budgets that are read off them, and the same programs by PuLP and CBC.

In: nothing. Out: rows of the table in `README.md`. The first problem has the 52 convolutions of MobileNetV2 at 1 to 8
bits, with their true sizes, in bytes and rounded up to KiB, and a made-up damage that falls by about four for each bit.
The second one is a chain of 200 layers with 8 choices and real-valued costs, each layer with a table of conversions to
the next. Processor time is measured, that of the solver's processes included, so that other work on the machine counts
for none of them. Every damage that is read off an exact frontier is compared with that of CBC.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pulp
from numpy.typing import NDArray
from report import row

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier import Frontier, find_cheapest
from search_spaces.additive_cost import FloatArray, Term

SEEDS = (0, 1, 2)
REPEATS = 5
BUDGETS = 100
BITS = np.arange(1, 9)
BLOCKS = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))  # ratio, width, depth
CHAIN, CHOICES = 200, 8
FEW, MANY = 500, 5000  # buckets
COMMAND = "taskset -c 0 python benchmarks/allocation_speed.py"


def mobilenet_v2() -> NDArray[np.int64]:
    """Weights of the 52 convolutions of MobileNetV2 at width 1."""
    weights, width = [3 * 32 * 9], 32
    for ratio, out, depth in BLOCKS:
        for _ in range(depth):
            hidden = ratio * width
            weights += [width * hidden] * (ratio > 1) + [9 * hidden, hidden * out]
            width = out
    return np.array([*weights, 320 * 1280])


def bits_problem(seed: int, unit: int) -> AllocationProblem:
    """Bits of MobileNetV2 for all sizes, which are rounded up to multiples of some bytes."""
    rng, weights = np.random.default_rng(seed), mobilenet_v2()[:, None]
    worth = rng.lognormal(0.0, 1.5, size=(len(weights), 1)) * np.sqrt(weights)
    damage = worth * 4.0**-BITS * rng.uniform(0.8, 1.2, size=(len(weights), len(BITS)))
    sizes = tuple(np.ceil(weights * BITS / 8 / unit) * unit)
    return AllocationProblem(tuple(damage), (Budget("weight_bytes", sizes, 2.0 * float(weights.sum())),))


def chain_problem(seed: int) -> AllocationProblem:
    """Layers with conversions between them, for all latencies."""
    rng = np.random.default_rng(seed)
    costs = tuple(np.sort(rng.uniform(0.1, 1.0, size=CHOICES)) for _ in range(CHAIN))
    damage = tuple(rng.lognormal() * np.sort(rng.random(CHOICES))[::-1] ** 3 for _ in range(CHAIN))
    tables = rng.uniform(0.0, 0.3, size=(CHAIN - 1, CHOICES, CHOICES))
    edges = tuple(Term((layer, layer + 1), table) for layer, table in enumerate(tables))
    return AllocationProblem(damage, (Budget("latency_ms", costs, float(1.3 * CHAIN), edges),))


def budgets_of(problem: AllocationProblem) -> FloatArray:
    """Budgets at equal distances from the least cost to that of the largest choices of all layers."""
    budget = problem.budgets[0]
    least, largest = budget.spend(find_cheapest(problem)), sum(float(known.max()) for known in budget.costs)
    return np.linspace(least, largest, BUDGETS + 2)[1:-1]


def processor_seconds() -> float:
    """Processor time of this process and of those that it has ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@dataclass
class Timed:
    """What was read off a frontier, and how long that took.

    Attributes:
        sweep_s: Seconds of the sweep.
        read_s: Seconds to read all budgets off it.
        points: Number of points of the frontier.
        damages: Damage for each budget.
    """

    sweep_s: float
    read_s: float
    points: int
    damages: FloatArray


def read_off(problem: AllocationProblem, budgets: FloatArray, buckets: int | None = None) -> Timed:
    """Sweeps and reads off; the medians of a few times."""
    sweeps, reads = [], []
    for _ in range(REPEATS):
        times = [time.process_time()]
        frontier = Frontier.from_problem(problem, buckets)
        times.append(time.process_time())
        chosen = frontier.read_off(budgets)
        times.append(time.process_time())
        sweeps.append(times[1] - times[0])
        reads.append(times[2] - times[1])
    damages = np.array([problem.damage_of(one) for one in chosen.tolist()])
    return Timed(statistics.median(sweeps), statistics.median(reads), len(frontier.damages), damages)


def solve_by_cbc(problem: AllocationProblem, most: float) -> float:
    """The least damage within a budget, by an integer program of PuLP that CBC solves."""
    program: Any = pulp.LpProblem("allocation", pulp.LpMinimize)
    chosen = [
        [pulp.LpVariable(f"x{layer}_{choice}", cat="Binary") for choice in range(size)]
        for layer, size in enumerate(problem.sizes)
    ]
    pairs = [(layer, choice) for layer, size in enumerate(problem.sizes) for choice in range(size)]
    program += pulp.lpSum(float(problem.damage[layer][choice]) * chosen[layer][choice] for layer, choice in pairs)
    for codes in chosen:
        program += pulp.lpSum(codes) == 1
    costs = problem.budgets[0].costs
    program += pulp.lpSum(float(costs[layer][choice]) * chosen[layer][choice] for layer, choice in pairs) <= most
    program.solve(pulp.PULP_CBC_CMD(msg=False, gapRel=0.0))
    return float(program.objective.value())


@dataclass
class Compared:
    """An exact frontier beside the solver.

    Attributes:
        ours: The frontier.
        solver_s: Seconds of the solver for all budgets.
        excess: Largest damage of a frontier in buckets above the least, in percent.
        bucketed_s: Seconds of that frontier.
    """

    ours: Timed
    solver_s: float
    excess: float
    bucketed_s: float


def compare(problem: AllocationProblem) -> Compared:
    """Raises ValueError if the solver finds less damage, or much more."""
    budgets = budgets_of(problem)
    ours, bucketed = read_off(problem, budgets), read_off(problem, budgets, FEW)
    start = processor_seconds()
    solved = [solve_by_cbc(problem, float(budget)) for budget in budgets]
    solver_s = processor_seconds() - start
    above = np.array(solved) / ours.damages - 1
    if not (above.min() >= -1e-9 and above.max() <= 1e-4):  # CBC ends a little early
        raise ValueError(
            f"CBC must find the damages of the frontier, found {above.min():.1e} to {above.max():.1e} more"
        )
    return Compared(ours, solver_s, excess(bucketed, ours), bucketed.sweep_s + bucketed.read_s)


def excess(found: Timed, best: Timed) -> float:
    """The largest damage above the least, in percent."""
    return 100 * float((found.damages / best.damages - 1).max())


def main() -> None:
    """Measures every seed and prints the rows."""
    rows: list[tuple[str, list[float], str]] = []
    for unit, text in ((1, "bytes"), (1024, "whole KiB")):
        found = [compare(bits_problem(seed, unit)) for seed in SEEDS]
        ours = [one.ours for one in found]
        points = ", ".join(f"{one.points:,}" for one in ours)
        what = f"52 convolutions of MobileNetV2 at 1 to 8 bits, sizes in {text}"
        totals = [one.sweep_s + one.read_s for one in ours]
        rows += [
            (
                f"{BUDGETS} budgets read off the exact frontier, {what}: under 10 ms",
                [1e3 * one.read_s for one in ours],
                "{:.1f} ms",
            ),
            (
                f"The sweep that makes this frontier of {points} points",
                [1e3 * one.sweep_s for one in ours],
                "{:.0f} ms",
            ),
            (
                f"PuLP and CBC on the same {BUDGETS} programs, over sweep and reading: at least 300",
                [one.solver_s / total for one, total in zip(found, totals, strict=True)],
                "{:.0f}",
            ),
            (
                f"Sweep with {FEW} buckets and the reading, the same programs",
                [1e3 * one.bucketed_s for one in found],
                "{:.0f} ms",
            ),
            (f"Largest excess damage of these {FEW} buckets", [one.excess for one in found], "{:.1f} %"),
        ]
    problems = [chain_problem(seed) for seed in SEEDS]
    chains, finer = ([read_off(one, budgets_of(one), buckets) for one in problems] for buckets in (FEW, MANY))
    what = f"chain of {CHAIN} layers x {CHOICES} choices with edge costs"
    rows += [
        (
            f"Sweep with {FEW} buckets and {BUDGETS} budgets read off, {what}: under 1 s",
            [one.sweep_s + one.read_s for one in chains],
            "{:.2f} s",
        ),
        (f"Largest excess damage of these {FEW} buckets over {MANY:,}", list(map(excess, chains, finer)), "{:.1f} %"),
    ]
    for target, samples, form in rows:
        print(row(target, samples, form, "0 to 2, processor time", COMMAND))


if __name__ == "__main__":
    main()
