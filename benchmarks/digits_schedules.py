"""What multi-precision training and the alpha-divergence do on the digits, over five seeds,
of the split of the data, too.

In: nothing. Out: the table of `docs/training.md`, means with 95 % intervals over the seeds; on standard error, what
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
from nas.training.schedules.registry import create_schedule
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
BITS_EPOCHS, DIVERGENCE_EPOCHS, BATCH = 10, 4, 64
POLICIES = ("w32a32", "w8a8", "w4a8", "w2a8")
SPACE = JointSpace(create_space("resnet_digits", 1, 10), PolicySpace.parse(POLICIES))
SUBNETS = 8


def trained(schedule: Schedule, seed: int) -> CandidateRealizer:
    """Measures candidates of a supernet that is trained afresh."""
    net, images = build_supernet(SPACE.architectures, seed), load_images("digits", split_seed=seed)
    with TemporaryDirectory() as folder:
        plan = TrainingPlan(SPACE, schedule, TrainingSettings(batch_size=BATCH), seed)
        train_supernet(net, images, plan, Path(folder))
    return CandidateRealizer(net, images)


def by_policy(schedule: str, seed: int) -> list[float]:
    """Percent of the largest network, by the policy of all its layers."""
    realizer, largest = trained(create_schedule(schedule, BITS_EPOCHS, 0.1, SPACE), seed), SPACE.largest()
    policies = [CompressionPolicy((LayerPolicy.parse(name),) * len(largest.policy.layers)) for name in POLICIES]
    return [realizer.measure_accuracy(Candidate(largest.architecture, policy)) for policy in policies]


def of_subnets(divergence: Divergence, seed: int) -> float:
    """Mean percent of random subnets in floating point after the sandwich rule with a divergence."""
    (phase,) = create_schedule("sandwich", DIVERGENCE_EPOCHS, 0.1, SPACE).phases
    schedule = Schedule((replace(phase, divergence=divergence),))
    drawn = JointSpace(SPACE.architectures).sample(np.random.default_rng(seed), SUBNETS)
    realizer = trained(schedule, seed)
    return float(np.mean([realizer.measure_accuracy(drawn[number]) for number in range(SUBNETS)]))


def interval(samples: Sequence[float]) -> str:
    """The mean and its 95 % interval."""
    half = t.ppf(0.975, len(samples) - 1) * np.std(samples, ddof=1) / len(samples) ** 0.5
    return f"{np.mean(samples):.1f} ± {half:.1f}"


def main() -> None:
    """Trains every schedule and seed, and prints the table."""
    print(f"| schedule | all layers {' | '.join(POLICIES)} |")
    print(f"| --- |{' --- |' * len(POLICIES)}")
    for schedule in ("deps", "multi_precision"):
        found = [by_policy(schedule, seed) for seed in SEEDS]
        print(schedule, np.round(found, 1).tolist(), file=sys.stderr)
        print(f"| `{schedule}` | {' | '.join(map(interval, zip(*found, strict=True)))} |")
    losses = [of_subnets("kl", seed) - of_subnets("alpha", seed) for seed in SEEDS]
    print(f"After {DIVERGENCE_EPOCHS} epochs of `sandwich`, `alpha` is {interval(losses)} points behind `kl`")


if __name__ == "__main__":
    main()
