"""Candidates priced per second: the OFA space with bits for each layer, on one core.

In: nothing. Out: rows of the table in `README.md`: prices by `AdditiveCost`, after a check that they equal the fold
over layers, and latencies by a calibrated table, which looks at every tensor between layers, too, after a check that
they equal the plain walk through each network. The three are timed in turns, so that a slow phase of the machine hits
all of them alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from report import row

from hardware.building.calibrate_table import build_random_network
from hardware.calibration.calibration import Calibration
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensors import find_tensors
from hardware.device import ONNXRUNTIME_CPU
from hardware.tables.latency_table import LatencyTable
from hardware.tables.pricing import price_network, tabulate_prices
from hardware.tables.roofline import Roofline
from search_spaces.additive_cost import AdditiveCost
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.layer_spec import LayerSpec
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.search_space import Genes

SEEDS = (0, 1, 2, 3, 4)
CANDIDATES = 100_000
LOOKED_UP = 10_000
CHECKED = 100
REPEATS = 11
KNOWN = 100  # networks whose uses have a cost of their own
MILLIONS = "{:.2f} M/s"


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


def calibrated_table(space: JointSpace) -> LatencyTable:
    """A made-up table of all layers, and of the uses that the tensors of some networks have."""
    w32, w8, rng = LayerPolicy(), LayerPolicy.quantized(8, 8), np.random.default_rng(0)
    made_up = Roofline("npu", {w32: 10.0, w8: 40.0}, 1.0, 2.0).table(space.list_distinct_layers())
    layers = LatencyTable(ONNXRUNTIME_CPU, made_up.entries)
    sample = space.sample(rng, KNOWN).candidates
    networks = [find_tensors(build_random_network(space, candidate, layers.device)) for candidate in sample]
    uses = dict.fromkeys(tensor.use for network in networks for tensor in network)
    costs = {use: TensorCost(rng.uniform(0.0, 1e-3), rng.uniform(0.0, 1e-8)) for use in uses}
    return layers.with_calibration(Calibration(0.1, TensorCosts(costs)), {})


def walked_latency(space: JointSpace, table: LatencyTable, genes: Genes) -> list[float]:
    """Latencies of candidates one by one, without tables of what their genes decide."""
    candidates = space.decode(genes)
    return [price_network(build_random_network(space, candidate, table.device), table) for candidate in candidates]


def seconds(price: Callable[[Genes], object], genes: Genes) -> float:
    """How long it takes to price candidates."""
    start = time.perf_counter()
    price(genes)
    return time.perf_counter() - start


def main() -> None:
    """Measures every seed and prints the rows."""
    policies = PolicySpace.parse(["w32a32", "w8a8", "w4a8"])
    space = JointSpace(create_space("mobilenet_v3_imagenet", image_channels=3, classes=1000), policies)
    table = calibrated_table(space)
    cost, latency = space.tabulate(weight_bytes), tabulate_prices(space, table)
    walk = partial(walked_latency, space, table)
    rates = []
    for seed in SEEDS:
        population = space.sample(np.random.default_rng(seed), CANDIDATES)
        few, some = population.genes[:CHECKED], population.genes[:LOOKED_UP]
        check_prices(cost, population.take(slice(CHECKED)))
        if not np.allclose(latency(few), walk(few), rtol=1e-9, atol=0.0):
            raise ValueError("a tabulated latency differs from the walk through the network")
        prices = ((cost, population.genes), (latency, population.genes), (walk, few), (space.layers, some))
        turns = [[len(genes) / seconds(price, genes) for price, genes in prices] for _ in range(REPEATS)]
        rates.append([statistics.median(column) for column in zip(*turns, strict=True)])
    print(
        f"{len(SEEDS) * CHECKED:,} prices equal the fold over layers exactly, as many latencies the walk within 1e-9."
    )
    print()
    command = "taskset -c 0 python benchmarks/additive_cost.py"
    for what, column, unit, form in (
        (
            "Candidates priced by `AdditiveCost`, OFA space with per-layer bits, one core: at least 1 M/s",
            0,
            1e6,
            MILLIONS,
        ),
        ("Latencies by a calibrated table, the same space, one core: at least 1 M/s", 1, 1e6, MILLIONS),
        ("The same latencies by walking through each network", 2, 1.0, "{:.0f} /s"),
    ):
        print(row(what, [rate[column] / unit for rate in rates], form, "0 to 4", command))
    what = "Layers of a candidate looked up by its genes, the same space: at most 20 µs"
    print(row(what, [1e6 / rate[3] for rate in rates], "{:.1f} µs", "0 to 4", command))


if __name__ == "__main__":
    main()
