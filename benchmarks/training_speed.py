"""Time of a training step on the supernet over that of the same network as a plain module, and of `ofa`'s over ours.

In: nothing; the package `ofa` comes with the extra `benchmark`. Out: rows of the table in `README.md`; on standard
error, the ratios and images per second of every subnet. The steps alternate and every ratio is of neighbours, so that a
change of the machine's speed cancels. Before it is timed, every subnet's gradient is compared with that of torch's
convolutions, in double precision. In single precision both are off by up to two percent from that, for a ReLU that
flips moves a gradient so much.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from report import row
from torch import Tensor, nn

from search_spaces.candidate import Architecture, ConvBlock
from search_spaces.elastic import torch_forms
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.families.mobilenet_v3 import MobileNetV3Space
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

COMMAND = "taskset -c 0 python benchmarks/training_speed.py"
SEEDS = (0, 1, 2)
RANDOM_SUBNETS = 3
WARM_UP_ROUNDS = 2
ROUNDS = 7

PLAIN_SPACES, PLAIN_BATCH, PLAIN_SIDE, PLAIN_CLASSES = ("mobilenet_v3_cifar", "resnet_cifar"), 64, 32, 10
OFA_SPACE, OFA_BATCH, OFA_RANDOM_SIDE, OFA_LARGEST_SIDE, OFA_CLASSES = "mobilenet_v3_imagenet", 32, 96, 32, 1000
OTHERS = ("`ofa`", "`ofa` in channels_last", "ours with torch's convolutions")
EXACT_TOLERANCE, SINGLE_TOLERANCE = 1e-9, 0.05  # distance of two gradients over the length of one


class Step:
    """Forward, backward and update of one network by its own optimiser."""

    def __init__(self, network: nn.Module, forward: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> None:
        self.forward = forward
        self.images, self.labels = images, labels
        self.optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=1e-4)

    def seconds(self) -> float:
        """Wall time of one step."""
        start = time.perf_counter()
        self.optimizer.zero_grad()
        F.cross_entropy(self.forward(self.images), self.labels).backward()
        self.optimizer.step()
        return time.perf_counter() - start


def rounds(steps: Sequence[Callable[[], float]]) -> list[list[float]]:
    """Seconds of every step in every round after the warm-up; the order turns from round to round."""
    found = []
    for number in range(WARM_UP_ROUNDS + ROUNDS):
        order = sorted(range(len(steps)), key=lambda index: (index + number) % len(steps))
        seconds = {index: steps[index]() for index in order}
        found.append([seconds[index] for index in range(len(steps))])
    return found[WARM_UP_ROUNDS:]


def median_ratio(seconds: list[list[float]], over: int, under: int) -> float:
    """Median over the rounds of one step's time over another's."""
    return statistics.median(times[over] / times[under] for times in seconds)


def batch_of(count: int, side: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random images in channels_last and labels."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, side, side, generator=generator).to(memory_format=torch.channels_last)
    return images, torch.randint(classes, (count,), generator=generator)


@contextmanager
def torch_convolutions() -> Iterator[None]:
    """Layers use `F.conv2d` for everything; the ablation."""

    def depthwise(inputs: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        return F.conv2d(inputs, weight, bias, stride, padding, 1, weight.shape[0])

    with patch.multiple(torch_forms, depthwise_conv2d=depthwise, pointwise_conv2d=F.conv2d):
        yield


def gradient(network: Supernet, architecture: Architecture, images: Tensor, labels: Tensor) -> Tensor:
    """Gradient of the loss by every shared weight, as one vector."""
    network.zero_grad()
    F.cross_entropy(network(images, architecture), labels).backward()
    return torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None])


def check_gradient(network: Supernet, architecture: Architecture, images: Tensor, labels: Tensor) -> None:
    """Raises a RuntimeError if the gradient is not that of torch's convolutions in double precision."""
    exact = deepcopy(network).double()
    ours = gradient(exact, architecture, images.double(), labels)
    single = gradient(network, architecture, images, labels)
    with torch_convolutions():
        theirs = gradient(exact, architecture, images.double(), labels)
    for found, tolerance in ((ours, EXACT_TOLERANCE), (single, SINGLE_TOLERANCE)):
        distance = float((found - theirs).norm() / theirs.norm())
        if not distance <= tolerance:
            raise RuntimeError(
                f"gradients must agree to {tolerance} in {found.dtype}, got a distance of {distance} in {architecture}"
            )


def plain_ratios(name: str, seed: int) -> list[float]:
    """Elastic over plain step of several subnets of a freshly seeded supernet."""
    space = create_space(name, image_channels=3, classes=PLAIN_CLASSES)
    joint, network = JointSpace(space), build_supernet(space, seed).train()
    images, labels = batch_of(PLAIN_BATCH, PLAIN_SIDE, PLAIN_CLASSES, seed)
    sampled = joint.sample(np.random.default_rng(seed), RANDOM_SUBNETS)
    candidates = [joint.largest(), joint.smallest(), *(sampled[i] for i in range(RANDOM_SUBNETS))]
    found = []
    for architecture in (replace(candidate.architecture, resolution=PLAIN_SIDE) for candidate in candidates):
        check_gradient(network, architecture, images, labels)
        plain = network.extract(architecture).train()
        elastic_step = Step(network, partial(network, architecture=architecture), images, labels)
        seconds = rounds([elastic_step.seconds, Step(plain, plain, images, labels).seconds])
        found.append(median_ratio(seconds, 0, 1))
        print(f"{name}, seed {seed}: {found[-1]:.3f}", file=sys.stderr)
    return found


def ofa_network(space: MobileNetV3Space) -> Any:
    """`ofa`'s supernet of the same stages, widths, kernels, expansions and depths; without dropout, like ours."""
    # ofa.utils imports its data loaders, which need torchvision and a module that torch no longer has; an empty module
    # stands in for them, as the networks use neither.
    sys.modules["ofa.utils.my_dataloader"] = ModuleType("ofa.utils.my_dataloader")
    from ofa.imagenet_classification.elastic_nn.networks import OFAMobileNetV3

    shape = space.shape
    return OFAMobileNetV3(
        n_classes=OFA_CLASSES,
        dropout_rate=0.0,
        width_mult=1.0,
        ks_list=list(shape.kernel_sizes),
        expand_ratio_list=list(shape.expand_ratios),
        depth_list=list(shape.depths),
    ).train()


def activate(network: Any, architecture: Architecture) -> None:
    """Sets the active subnet of `ofa`'s network; absent blocks get any choice."""
    blocks: list[ConvBlock] = []
    deepest = max(network.depth_list)
    for stage in architecture.stages:
        chosen = [block for block in stage if isinstance(block, ConvBlock)]
        blocks += [*chosen, *[chosen[-1]] * (deepest - len(chosen))]
    kernels, expansions = [block.kernel_size for block in blocks], [int(block.expand_ratio) for block in blocks]
    network.set_active_subnet(ks=kernels, e=expansions, d=[len(stage) for stage in architecture.stages])


def check_same_network(ours: Supernet, theirs: Any, architecture: Architecture) -> None:
    """Raises a RuntimeError if the subnets differ in their number of weights."""
    counts = [
        sum(weight.numel() for weight in network.parameters())
        for network in (ours.extract(architecture), theirs.get_active_subnet(preserve_weight=False))
    ]
    if counts[0] != counts[1]:
        raise RuntimeError(f"both subnets must have as many weights, got {counts} in {architecture}")


def ablated(step: Step) -> float:
    """Wall time of the step with torch's convolutions."""
    with torch_convolutions():
        return step.seconds()


def ofa_ratios(space: MobileNetV3Space, side: int, seed: int) -> list[list[float]]:
    """For several subnets: the times of `OTHERS` over that of our step, then our images per second."""
    joint, ours, theirs = JointSpace(space), build_supernet(space, seed).train(), ofa_network(space)
    images, labels = batch_of(OFA_BATCH, side, OFA_CLASSES, seed)
    sampled = joint.sample(np.random.default_rng(seed), RANDOM_SUBNETS)
    candidates = [joint.largest()] if side == OFA_LARGEST_SIDE else [sampled[i] for i in range(RANDOM_SUBNETS)]
    found = []
    for architecture in (replace(candidate.architecture, resolution=side) for candidate in candidates):
        activate(theirs, architecture)
        check_same_network(ours, theirs, architecture)
        check_gradient(ours, architecture, images, labels)
        our_step = Step(ours, partial(ours, architecture=architecture), images, labels)
        as_published = Step(theirs, theirs, images.contiguous(), labels)
        in_channels_last = Step(theirs, theirs, images, labels)
        steps: list[Callable[[], float]] = [
            as_published.seconds,
            in_channels_last.seconds,
            partial(ablated, our_step),
            our_step.seconds,
        ]
        seconds = rounds(steps)
        speeds = [OFA_BATCH / statistics.median(times[i] for times in seconds) for i in range(len(steps))]
        found.append([*(median_ratio(seconds, i, len(OTHERS)) for i in range(len(OTHERS))), speeds[-1]])
        print(f"{side}x{side}, seed {seed}, images/s:", end="", file=sys.stderr)
        print(*(f" {name} {speed:.0f}" for name, speed in zip((*OTHERS, "ours"), speeds, strict=True)), file=sys.stderr)
    return found


def main() -> None:
    """Measures every space and seed and prints the rows."""
    torch.set_num_threads(1)
    span = f"{SEEDS[0]} to {SEEDS[-1]}"
    for name in PLAIN_SPACES:
        ratios = [ratio for seed in SEEDS for ratio in plain_ratios(name, seed)]
        target = (
            f"Elastic step over plain step, `{name}`, batch {PLAIN_BATCH} at {PLAIN_SIDE}x{PLAIN_SIDE}: at most 1.05"
        )
        print(row(target, ratios, "{:.3f}", f"{span}, {2 + RANDOM_SUBNETS} subnets each", COMMAND, threads=1))
    imagenet = create_space(OFA_SPACE, image_channels=3, classes=OFA_CLASSES)
    assert isinstance(imagenet, MobileNetV3Space)
    sides = (OFA_LARGEST_SIDE, OFA_RANDOM_SIDE)
    space = MobileNetV3Space(OFA_SPACE, replace(imagenet.shape, resolutions=sides), 3, OFA_CLASSES)
    for side, subnets, least in ((OFA_RANDOM_SIDE, "random subnets", 2.2), (OFA_LARGEST_SIDE, "largest subnet", 3.0)):
        figures = [figure for seed in SEEDS for figure in ofa_ratios(space, side, seed)]
        seeds = f"{span}, {len(figures) // len(SEEDS)} each"
        where = f"`{OFA_SPACE}`, {subnets}, batch {OFA_BATCH} at {side}x{side}"
        *others, speeds = zip(*figures, strict=True)
        for name, samples, bound in zip(OTHERS, others, (f": at least {least}", "", ""), strict=True):
            print(row(f"Step of {name} over ours, {where}{bound}", samples, "{:.2f}", seeds, COMMAND, threads=1))
        print(row(f"Our training speed, {where}", speeds, "{:.0f} images/s", seeds, COMMAND, threads=1))


if __name__ == "__main__":
    main()
