"""Bits, rank and zeros of ResNet-20 in one policy against each of them alone: rows of the table in `README.md`.

In: the folder of the reference data. Damages are measured after repair, once for all choices of all layers. For each
axis, and for all together, exact frontiers over mixtures of bytes and multiplications give allocations, which are
repaired on training images without labels and measured on test images. A front is judged by the hypervolume of error,
bytes and multiplications, of which the reference point has 10 points less accuracy and costs a tenth more than 8 bits.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from compress_resnet20 import accuracy, load
from report import row

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.frontier import Frontier
from nas.compression.low_rank.output_covariance import OutputCovariance
from nas.compression.repair.recipe import Recipe
from nas.compression.repair.repair_network import Repairer
from nas.compression.sensitivity.repaired_divergence import RepairedDivergence
from nas.compression.subject import CompressionSubject
from results.pareto import hypervolume
from search_spaces.additive_cost import FloatArray
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace

AXES = {
    "bits": ("w8a8", "w4a8", "w3a8", "w2a8"),
    "rank": ("w8a8", "w8a8-rank0.9", "w8a8-rank0.7", "w8a8-rank0.5"),
    "sparsity": ("w8a8", "w8a8-sparse0.3", "w8a8-sparse0.5", "w8a8-sparse0.7"),
}
PRODUCTS = ("w4a8-rank0.9", "w4a8-rank0.7", "w3a8-rank0.7", "w3a8-rank0.5", "w4a8-sparse0.5")
JOINT = tuple(dict.fromkeys((*(text for axis in AXES.values() for text in axis), *PRODUCTS)))
SHARES = (1.0, 0.5, 0.2)  # of bytes in a mixture of costs; the rest is multiplications
LARGEST_LOSS = 10.0  # points of accuracy at the reference point
REFERENCE = (1.0, 1.1, 1.1)  # loss, bytes and multiplications; a tenth more, so that what saves none of them counts
BUCKETS = 500
FEW_ROWS = 4096  # outputs to which a layer is fitted
COMMAND = "taskset -c 0 python benchmarks/joint_axes.py DATA"


def tabulate(subject: CompressionSubject, cost: str) -> FloatArray:
    """A cost of each choice of each layer, shape (layers, choices), as a share of that of the first choice."""
    space = subject.traced.space("resnet20")
    layers = space.layers(JointSpace(space).largest().architecture)
    price = ANALYTIC_COSTS[cost].layer_cost
    table = np.array(
        [[price(layer, policy) for policy in known] for layer, known in zip(layers, subject.choices, strict=True)]
    )
    return table / table[:, 0].sum()


def allocate(
    damage: FloatArray, costs: tuple[FloatArray, FloatArray], choices: list[int], sizes: int
) -> list[tuple[int, ...]]:
    """Allocations of some choices, evenly spread over the frontier of each mixture of the costs."""
    found: list[tuple[int, ...]] = []
    for share in SHARES:
        mixed = share * costs[0][:, choices] + (1 - share) * costs[1][:, choices]
        budget = Budget("mixture", tuple(mixed), float(mixed.max(1).sum()))
        frontier = Frontier.from_problem(AllocationProblem(tuple(damage[:, choices]), (budget,)), BUCKETS)
        budgets = np.linspace(frontier.costs[0], frontier.costs[-1], sizes)
        found += [tuple(choices[index] for index in one) for one in frontier.read_off(budgets)]
    return list(dict.fromkeys(found))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--images", type=int, default=128, help="training images that calibrate and repair")
    parser.add_argument("--tested", type=int, default=1000, help="test images")
    parser.add_argument("--sizes", type=int, default=3, help="allocations of a mixture of costs")
    arguments = parser.parse_args()
    plain, (images, labels) = load(arguments.data, 0)
    images, labels = images[: arguments.tested], labels[: arguments.tested]
    policies = tuple(map(LayerPolicy.parse, JOINT))
    subject = CompressionSubject.uniform_choices(
        plain.traced,
        policies,
        plain.need_data().take(arguments.images),
        replace(plain.methods, factorization=OutputCovariance()),
    )
    exact = accuracy(subject.traced.network(), images, labels)
    recipe = Recipe(rows=FEW_ROWS)
    damage = np.array(RepairedDivergence(recipe, arguments.images // 2).damage(subject))
    repairer = Repairer(subject, recipe)
    costs = tabulate(subject, "weight_bytes"), tabulate(subject, "macs")
    print("damages are measured", file=sys.stderr, flush=True)
    layers = np.arange(len(damage))
    measured: dict[tuple[int, ...], tuple[float, float, float]] = {}

    def measure(chosen: tuple[int, ...]) -> tuple[float, float, float]:
        """Loss of accuracy as a share of the largest, bytes and multiplications."""
        if chosen not in measured:
            policy = CompressionPolicy(tuple(policies[choice] for choice in chosen))
            percent = accuracy(repairer.repair(policy), images, labels)
            spent = [float(cost[layers, chosen].sum()) for cost in costs]
            measured[chosen] = ((exact - percent) / LARGEST_LOSS, spent[0], spent[1])
            print(f"{percent:.2f} % {spent[0]:.3f} bytes {spent[1]:.3f} MACs", file=sys.stderr, flush=True)
        return measured[chosen]

    volumes = {}
    for name, texts in {**AXES, "all together": JOINT}.items():
        known = [JOINT.index(text) for text in texts]
        found = [measure(one) for one in allocate(damage, costs, known, arguments.sizes)]
        volumes[name] = (hypervolume(found, REFERENCE), hypervolume([one[:2] for one in found], REFERENCE[:2]))
    counted = f"1, {len(measured)} policies"
    for index, costs_named in enumerate(("loss, bytes and MACs", "loss and bytes")):
        best = max(volumes[name][index] for name in AXES)
        target = f"ResNet-20, {costs_named}: hypervolume by bits, rank and zeros together over the best alone: above 1"
        print(row(target, [volumes["all together"][index] / best], "{:.2f}", counted, COMMAND, 1))
        for name, found_volumes in volumes.items():
            target = f"ResNet-20, {costs_named}: hypervolume by {name}"
            print(row(target, [found_volumes[index]], "{:.3f}", "1", COMMAND, 1))


if __name__ == "__main__":
    main()
