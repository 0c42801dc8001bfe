"""What one measurement of a candidate costs, against the forward passes that it consists of.

In: nothing; the images are made up, for only their number and size count. Out: rows of the table in `README.md`. The
forward passes are those of the same network in floating point and in evaluation mode, over the same batches: of the
re-calibration of batch norm, of the ranges of activations, and of the validation images. Both are timed in turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from report import row

from nas.data.splits import DataSplits, Split
from nas.evaluation import realize
from nas.evaluation.realize import CandidateRealizer, one_thread
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.supernet import Supernet, build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

CANDIDATES, TURNS, IMAGES = 8, 3, 2000
POLICIES = {"w32a32": 1.25, "w8a8": 1.6, "w4a8": 1.6}


def made_up(count: int) -> Split:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return Split.of(images, torch.arange(count) % 10)


def forward_passes(realizer: CandidateRealizer, candidate: Candidate) -> Callable[[], None]:
    """Runs the plain network on every batch of a measurement."""
    resolution = candidate.architecture.resolution
    assert isinstance(realizer.source, Supernet)
    network = realizer.source.extract(candidate.architecture)
    seen = realizer.transform.inputs(realizer.data.train.images[: realize._NORM_IMAGES], resolution)
    validation = realizer.transform.inputs(realizer.data.validation.images, resolution)
    batches = [
        *seen.split(realize._NORM_BATCH),
        seen[: realize._RANGE_IMAGES],
        *validation.split(realize._EVALUATION_BATCH),
    ]

    def run() -> None:
        with one_thread(), torch.no_grad():
            for batch in batches:
                network(batch)

    return run


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    space = JointSpace(create_space("mobilenet_v3_cifar", 3, 10))
    data = DataSplits(made_up(IMAGES), made_up(IMAGES + 1), made_up(1), tuple(map(str, range(10))))
    realizer = CandidateRealizer(build_supernet(space.architectures, seed=0), data)
    ratios: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for candidate in space.sample(np.random.default_rng(0), CANDIDATES).candidates:
        layers = len(space.architectures.layers(candidate.architecture))
        plain = forward_passes(realizer, candidate)
        plain()
        alike = {
            policy: Candidate(candidate.architecture, CompressionPolicy((LayerPolicy.parse(policy),) * layers))
            for policy in POLICIES
        }
        turns = [
            [seconds(plain), *(seconds(partial(realizer.measure_accuracy, one)) for one in alike.values())]
            for _ in range(TURNS)
        ]
        passes, *measured = (statistics.median(column) for column in zip(*turns, strict=True))
        for policy, cost in zip(POLICIES, measured, strict=True):
            ratios[policy].append(cost / passes)
    for policy, most in POLICIES.items():
        what = f"A measurement at {policy} over its forward passes, CIFAR MobileNetV3 space: at most {most:g} times"
        command = "taskset -c 0 python benchmarks/measurement_cost.py"
        print(row(what, ratios[policy], "{:.2f} times", f"{CANDIDATES} candidates", command, 1))


if __name__ == "__main__":
    main()
