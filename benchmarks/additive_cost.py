"""Candidates priced per second by `AdditiveCost`: the OFA space with bits for each layer, on one core.

In: nothing. Out: one row of the table in `README.md`, after a check that the prices equal the fold over layers.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from report import row

from search_spaces.additive_cost import AdditiveCost
from search_spaces.candidate import Candidate, LayerPolicy
from search_spaces.joint_space import JointSpace, PolicySpace, Population
from search_spaces.layers import LayerSpec
from search_spaces.registry import search_space

SEEDS = (0, 1, 2, 3, 4)
CANDIDATES = 100_000
CHECKED = 200
REPEATS = 11


def weight_bytes(layer: LayerSpec, policy: LayerPolicy) -> float:
    """Size of the weights of one layer; an exact binary fraction, so that any order of summing gives the same price."""
    return layer.weights * policy.weight_bits / 8


def fold(space: JointSpace, candidate: Candidate) -> float:
    """The price of one candidate without tables: the sum over its layers."""
    layers = space.architectures.layers(candidate.architecture)
    return sum(weight_bytes(*pair) for pair in zip(layers, candidate.policy.layers, strict=True))


def check_prices(cost: AdditiveCost, population: Population) -> None:
    """Raises ValueError unless every price equals the fold over the layers of its candidate."""
    folded = [fold(population.space, population[i]) for i in range(len(population))]
    if not np.array_equal(cost(population.genes), folded):
        raise ValueError("a tabulated price differs from the sum over the layers")


def candidates_per_second(cost: AdditiveCost, population: Population) -> float:
    """Median over repetitions."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        cost(population.genes)
        seconds.append(time.perf_counter() - start)
    return len(population) / statistics.median(seconds)


def main() -> None:
    """Measures every seed and prints the row."""
    policies = PolicySpace.parse(["w32a32", "w8a8", "w4a8"])
    space = JointSpace(search_space("mobilenet_v3_imagenet", image_channels=3, classes=1000), policies)
    cost = space.tabulate(weight_bytes)
    rates = []
    for seed in SEEDS:
        population = space.sample(np.random.default_rng(seed), CANDIDATES)
        check_prices(cost, population.take(slice(CHECKED)))
        rates.append(candidates_per_second(cost, population) / 1e6)
    print(f"{len(SEEDS) * CHECKED:,} prices equal the fold over layers exactly.\n")
    target = "Candidates priced by `AdditiveCost`, OFA space with per-layer bits, one core: at least 1 M/s"
    print(row(target, rates, "{:.2f} M/s", "0 to 4", "taskset -c 0 python benchmarks/additive_cost.py"))


if __name__ == "__main__":
    main()
