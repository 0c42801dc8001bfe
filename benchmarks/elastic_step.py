"""Time of a training step on the supernet over that of the same subnet as a plain module, both in channels_last.

In: nothing. Out: one row per space of the table in `README.md`; on standard error, the ratio of every subnet.
The steps of the two alternate and every ratio is of neighbours, so that a change of the machine's speed cancels.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from report import row
from torch import Tensor, nn

from search_spaces.candidate import Architecture
from search_spaces.elastic.registry import supernet
from search_spaces.elastic.supernet import Supernet
from search_spaces.joint_space import JointSpace
from search_spaces.registry import search_space

SPACES = ("mobilenet_v3_cifar", "resnet_cifar")
SEEDS = (0, 1, 2)
RANDOM_SUBNETS = 3
WARM_UP_PAIRS = 2
PAIRS = 10
BATCH, SIDE, CLASSES = 64, 32, 10


class Step:
    """Forward, backward and update of one network by its own optimiser."""

    def __init__(self, network: nn.Module, forward: Callable[[Tensor], Tensor]) -> None:
        self.forward = forward
        self.optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4)

    def seconds(self, images: Tensor, labels: Tensor) -> float:
        """Wall time of one step."""
        start = time.perf_counter()
        self.optimizer.zero_grad()
        F.cross_entropy(self.forward(images), labels).backward()
        self.optimizer.step()
        return time.perf_counter() - start


def subnets(space: JointSpace, seed: int) -> dict[str, Architecture]:
    """The largest, the smallest and a few random subnets, all at one resolution."""
    sampled = space.sample(np.random.default_rng(seed), RANDOM_SUBNETS)
    found = {"largest": space.largest(), "smallest": space.smallest()}
    found |= {f"random {i}": sampled[i] for i in range(RANDOM_SUBNETS)}
    return {name: replace(candidate.architecture, resolution=SIDE) for name, candidate in found.items()}


def step_ratio(network: Supernet, architecture: Architecture, images: Tensor, labels: Tensor) -> float:
    """Median over neighbouring pairs of the elastic step's time over the plain step's."""
    plain_network = network.extract(architecture).train()
    elastic = Step(network, lambda inputs: network(inputs, architecture))
    plain = Step(plain_network, plain_network)
    ratios = []
    for pair in range(WARM_UP_PAIRS + PAIRS):
        order = (elastic, plain) if pair % 2 == 0 else (plain, elastic)
        seconds = {step: step.seconds(images, labels) for step in order}
        ratios.append(seconds[elastic] / seconds[plain])
    return statistics.median(ratios[WARM_UP_PAIRS:])


def ratios_of(name: str, seed: int) -> list[float]:
    """The ratio of every subnet of a freshly seeded supernet."""
    space = search_space(name, image_channels=3, classes=CLASSES)
    network = supernet(space, seed).train()
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(BATCH, 3, SIDE, SIDE, generator=generator).to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    found = []
    for subnet, architecture in subnets(JointSpace(space), seed).items():
        found.append(step_ratio(network, architecture, images, labels))
        print(f"{name}, seed {seed}, {subnet}: {found[-1]:.3f}", file=sys.stderr)
    return found


def main() -> None:
    """Measures every space and seed and prints a row for each space."""
    torch.set_num_threads(1)
    for name in SPACES:
        ratios = [ratio for seed in SEEDS for ratio in ratios_of(name, seed)]
        target = f"Elastic step over plain step, `{name}`, batch {BATCH} at {SIDE}x{SIDE}: at most 1.10"
        seeds = f"{SEEDS[0]} to {SEEDS[-1]}, {2 + RANDOM_SUBNETS} subnets each"
        print(row(target, ratios, "{:.3f}", seeds, "taskset -c 0 python benchmarks/elastic_step.py", threads=1))


if __name__ == "__main__":
    main()
