"""What training schedules do on the digits, over five seeds, of the split of the data, too.

In: nothing. Out: the tables of `docs/training.md`, means with 95 % intervals over the seeds; on standard error, what
every training reached. One training is no figure: another seed or processor moves it more than a schedule does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.stats import t

from nas.data.sources import load_images
from nas.evaluation.realize import CandidateRealizer
from nas.training.plan import TrainingPlan
from nas.training.schedules.phase import Divergence
from nas.training.schedules.registry import SCHEDULES, create_schedule
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings
from nas.training.trainer import train_supernet
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.supernet import build_supernet
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.presets import create_space

SEEDS = range(5)
BITS_EPOCHS, DIVERGENCE_EPOCHS, BATCH, LEARNING_RATE = 10, 4, 64, 0.1
POLICIES = ("w32a32", "w8a8", "w4a8", "w2a8")
SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(POLICIES))
SUBNETS = 8

# What examples/digits.yaml trains, and the forward-backward passes that 60 epochs of `deps` take there.
EXAMPLE_POLICIES = ("w32a32", "w8a8", "w4a8", "w3a8")
EXAMPLE_SPACE = JointSpace(create_space("mobilenet_v3_digits", 1, 10), PolicySpace.parse(EXAMPLE_POLICIES))
EXAMPLE_SCHEDULES, EXAMPLE_SUBNETS = ("deps", "single", "multi_precision"), 20
EXAMPLE_PASSES, SHORT_PASSES = 2_550, 255


def trained(space: JointSpace, schedule: Schedule, seed: int) -> CandidateRealizer:
    """Measures candidates of a supernet that is trained afresh."""
    net, images = build_supernet(space.architectures, seed), load_images("digits", split_seed=seed)
    with TemporaryDirectory() as folder:
        plan = TrainingPlan(space, schedule, TrainingSettings(batch_size=BATCH), seed)
        train_supernet(net, images, plan, Path(folder))
    return CandidateRealizer(net, images)


def with_policy(candidate: Candidate, name: str) -> Candidate:
    """The same architecture, all its layers at one policy."""
    policy = CompressionPolicy((LayerPolicy.parse(name),) * len(candidate.policy.layers))
    return Candidate(candidate.architecture, policy)


def by_policy(schedule: str, seed: int) -> list[float]:
    """Percent of the largest network, by the policy of all its layers."""
    realizer = trained(SPACE, create_schedule(schedule, BITS_EPOCHS, LEARNING_RATE, SPACE), seed)
    return [realizer.measure_accuracy(with_policy(SPACE.largest(), name)) for name in POLICIES]


def of_subnets(divergence: Divergence, seed: int) -> float:
    """Mean percent of random subnets in floating point after the sandwich rule with a divergence."""
    (phase,) = create_schedule("sandwich", DIVERGENCE_EPOCHS, LEARNING_RATE, SPACE).phases
    schedule = Schedule((replace(phase, divergence=divergence),))
    drawn = JointSpace(SPACE.architectures).sample(np.random.default_rng(seed), SUBNETS)
    realizer = trained(SPACE, schedule, seed)
    return float(np.mean([realizer.measure_accuracy(drawn[number]) for number in range(SUBNETS)]))


def example_epochs(name: str, steps_per_epoch: int, most: int) -> float:
    """Epochs in which a schedule takes so many passes."""
    low, high = 0.0, float(most)
    while high - low > 1e-4:
        middle = (low + high) / 2
        passes = SCHEDULES[name](middle, LEARNING_RATE).count_passes(steps_per_epoch)
        low, high = (low, middle) if passes > most else (middle, high)
    return low


def of_example(name: str, seed: int, passes: int) -> list[float]:
    """Mean percent of random subnets of the example in floating point and with random policies, and of the largest."""
    steps_per_epoch = len(load_images("digits", split_seed=seed).train) // BATCH
    epochs = example_epochs(name, steps_per_epoch, passes)
    realizer = trained(EXAMPLE_SPACE, create_schedule(name, epochs, LEARNING_RATE, EXAMPLE_SPACE), seed)
    drawn = EXAMPLE_SPACE.sample(np.random.default_rng(seed), EXAMPLE_SUBNETS).candidates
    floating = np.mean([realizer.measure_accuracy(with_policy(one, "w32a32")) for one in drawn])
    quantized = np.mean([realizer.measure_accuracy(one) for one in drawn])
    return [float(floating), float(quantized), realizer.measure_accuracy(EXAMPLE_SPACE.largest())]


def interval(samples: Sequence[float]) -> str:
    """The mean and its 95 % interval."""
    half = t.ppf(0.975, len(samples) - 1) * np.std(samples, ddof=1) / len(samples) ** 0.5
    return f"{np.mean(samples):.1f} ± {half:.1f}"


def show_example() -> None:
    """Trains the example by several schedules of equally many passes, and prints what they reach and gain."""
    print("| schedule | subnets | with random policies | largest | subnets over `deps` | policies over `deps` |")
    print("| --- | --- | --- | --- | --- | --- |")
    first: list[list[float]] = []
    for name in EXAMPLE_SCHEDULES:
        found = [of_example(name, seed, EXAMPLE_PASSES) for seed in SEEDS]
        print(name, np.round(found, 2).tolist(), file=sys.stderr)
        first = first or found
        gains = np.subtract(found, first).T[:2].tolist() if name != EXAMPLE_SCHEDULES[0] else []
        print(
            f"| `{name}` | {' | '.join(map(interval, [*zip(*found, strict=True), *gains]))} |{' |' * (2 - len(gains))}"
        )


def main() -> None:
    """Trains every schedule and seed, and prints the tables."""
    print(f"| schedule | all layers {' | '.join(POLICIES)} |")
    print(f"| --- |{' --- |' * len(POLICIES)}")
    for schedule in ("deps", "multi_precision"):
        found = [by_policy(schedule, seed) for seed in SEEDS]
        print(schedule, np.round(found, 1).tolist(), file=sys.stderr)
        print(f"| `{schedule}` | {' | '.join(map(interval, zip(*found, strict=True)))} |")
    losses = [of_subnets("kl", seed) - of_subnets("alpha", seed) for seed in SEEDS]
    print(f"After {DIVERGENCE_EPOCHS} epochs of `sandwich`, `alpha` is {interval(losses)} points behind `kl`\n")
    show_example()
    deps, single = ([of_example(name, seed, SHORT_PASSES)[0] for seed in SEEDS] for name in ("deps", "single"))
    gain = interval(np.subtract(single, deps).tolist())
    print(f"After {SHORT_PASSES} passes of the example, `single` is {gain} points ahead of `deps`")


if __name__ == "__main__":
    main()
