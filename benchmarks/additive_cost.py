"""Candidates priced per second: the OFA space with bits for each layer, on one core.

In: nothing. Out: rows of the table in `README.md`: prices by `AdditiveCost`, after a check that they equal the fold
over layers, and latencies by a table that is calibrated, which looks at every tensor between layers, too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from report import row

from hardware.calibration.calibration import Calibration, TensorCosts
from hardware.calibration.tensor_uses import NO_TENSOR, TensorUses
from hardware.device import onnxruntime_cpu
from hardware.tables.latency_table import LatencyTable
from hardware.tables.pricing import network_costs
from hardware.tables.roofline import Roofline
from search_spaces.additive_cost import AdditiveCost, FloatArray
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace, Population
from search_spaces.layers import LayerSpec
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import search_space
from search_spaces.space import Genes

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


def calibrated_latency(space: JointSpace) -> Callable[[Genes], FloatArray]:
    """Latencies by a made-up table of all layers and of the uses of the tensors of many networks."""
    w32, w8 = LayerPolicy(), LayerPolicy.quantized(8, 8)
    made_up = Roofline("npu", {w32: 10.0, w8: 40.0}, 1.0, 2.0).table(space.layer_shapes())
    layers = LatencyTable(onnxruntime_cpu(), made_up.entries)
    uses, _ = TensorUses(space, layers.device)(space.sample(np.random.default_rng(0), 2000).genes)
    known = np.unique(uses[uses != NO_TENSOR]).tolist()
    costs = TensorCosts(tuple(known), *[(1e-3,) * len(known)] * 2)
    return network_costs(space, layers.with_calibration(Calibration(tensors=costs), {}))


def candidates_per_second(cost: Callable[[Genes], FloatArray], population: Population) -> float:
    """Median over repetitions."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        cost(population.genes)
        seconds.append(time.perf_counter() - start)
    return len(population) / statistics.median(seconds)


def main() -> None:
    """Measures every seed and prints the rows."""
    policies = PolicySpace.parse(["w32a32", "w8a8", "w4a8"])
    space = JointSpace(search_space("mobilenet_v3_imagenet", image_channels=3, classes=1000), policies)
    cost = space.tabulate(weight_bytes)
    latency = calibrated_latency(space)
    rates, latencies = [], []
    for seed in SEEDS:
        population = space.sample(np.random.default_rng(seed), CANDIDATES)
        check_prices(cost, population.take(slice(CHECKED)))
        rates.append(candidates_per_second(cost, population) / 1e6)
        latencies.append(candidates_per_second(latency, population.take(slice(CANDIDATES // 10))) / 1e6)
    print(f"{len(SEEDS) * CHECKED:,} prices equal the fold over layers exactly.\n")
    target = "Candidates priced by `AdditiveCost`, OFA space with per-layer bits, one core: at least 1 M/s"
    command = "taskset -c 0 python benchmarks/additive_cost.py"
    print(row(target, rates, "{:.2f} M/s", "0 to 4", command))
    print(row("Latencies by a calibrated table, the same space, one core", latencies, "{:.2f} M/s", "0 to 4", command))


if __name__ == "__main__":
    main()
