"""Price 200,000 candidates: sizes and operations are exact sums over layers, read from tables.

python examples/2_price_candidates.py
"""

import time

import numpy as np

import nas
from hardware.analytic import network_cost
from search_spaces.analytic_costs.weight_bytes import WEIGHT_BYTES

space = nas.JointSpace(
    nas.create_space("mobilenet_v3_imagenet", image_channels=3, classes=1000),
    nas.PolicySpace.parse(["w32a32", "w8a8", "w4a8"]),
)
print(f"{space.architectures.count():.3g} architectures, {len(space.cardinalities)} genes with the policies")

size, bops = network_cost(space, "weight_bytes"), network_cost(space, "bops")
population = space.sample(np.random.default_rng(0), 200_000)
started = time.perf_counter()
costs = np.column_stack([size(population.genes), bops(population.genes)])
print(f"{len(population) / (time.perf_counter() - started):,.0f} candidates priced per second, by two costs each")

smallest = population[int(costs[:, 0].argmin())]
policies = smallest.policy.layers
print(f"the smallest of them: {costs[:, 0].min() / 2**20:.2f} MiB, {len(policies)} layers, {smallest.key}")
layers = space.architectures.layers(smallest.architecture)
assert costs[:, 0].min() == sum(map(WEIGHT_BYTES.layer_cost, layers, policies))
