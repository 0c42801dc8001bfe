"""Accuracy of subnets of one supernet by training scheme, against the same subnets trained alone.

In: a folder with CIFAR-10 as Parquet files. Out: a table of the schemes, and rows of the table in `README.md`.
Every scheme gets the same number of forward-backward passes, and so does every subnet that is trained alone. What is
finished is kept in a folder, and a killed training goes on: start the same command again until nothing is missing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from report import row
from scipy.stats import kendalltau, t

from nas.data.images import ImageData
from nas.data.sources import load_images
from nas.evaluation.realize import CandidateRealizer
from nas.training.presets import deps, few_shot, fitted, ofa, sandwich, single, todm
from nas.training.schedule import Phase, Schedule
from nas.training.settings import TrainingSettings
from nas.training.trainer import train_supernet
from search_spaces.candidate import Candidate
from search_spaces.elastic.registry import supernet
from search_spaces.joint_space import JointSpace
from search_spaces.mobilenet_v3 import MobileNetV3Space
from search_spaces.registry import search_space

TRAIN, HELD_OUT = 10_000, 2_000
PASSES = 8_000
BATCH, LEARNING_RATE = 32, 0.05
SEEDS = (0, 1, 2)
RANDOM_SUBNETS = 20
ALONE = "alone"
SCHEMES: dict[str, tuple[float, Callable[[float, float], Schedule]]] = {  # share of the passes, and schedule by epochs
    "single": (1.0, single),
    "sandwich": (1.0, sandwich),
    "ofa": (1.0, ofa),
    "deps": (1.0, deps),
    "deps, half the passes": (0.5, deps),
    "todm": (1.0, todm),
    "few_shot": (1.0, partial(few_shot, batches=2)),
}
SPLIT_PASSES = 378  # scores of a one-leaf and of two two-leaf supernets: 21 genes of 3 values, 2 batches each


@dataclass(frozen=True)
class Run:
    """One training: of a scheme, or of a subnet alone.

    Attributes:
        scheme: A key of `SCHEMES`, or `ALONE`.
        seed: Of the training.
        subnet: Number of the subnet that is trained alone.
    """

    scheme: str
    seed: int
    subnet: int | None = None

    @property
    def name(self) -> str:
        """Of its folder and file."""
        part = "" if self.subnet is None else f"-{self.subnet}"
        return f"{self.scheme.replace(', ', '-').replace(' ', '-')}{part}-seed{self.seed}"


RUNS = [Run(scheme, seed) for seed in SEEDS for scheme in SCHEMES] + [
    Run(ALONE, 0, subnet) for subnet in range(RANDOM_SUBNETS + 2)
]


def space() -> JointSpace:
    """MobileNetV3 for CIFAR-10 at sides of 16 to 24 pixels, which two cores train in the time."""
    family = search_space("mobilenet_v3_cifar", 3, 10)
    assert isinstance(family, MobileNetV3Space)
    shape = replace(family.shape, resolutions=(16, 20, 24))
    return JointSpace(MobileNetV3Space("mobilenet_v3_cifar_24", shape, 3, 10))


def subnets() -> list[Candidate]:
    """The smallest, the largest and the random ones."""
    sampled = space().sample(np.random.default_rng(0), RANDOM_SUBNETS)
    return [space().smallest(), space().largest(), *(sampled[i] for i in range(RANDOM_SUBNETS))]


@lru_cache(maxsize=1)
def images(folder: str) -> ImageData:
    """The first images of the training file, split into training and held-out ones."""
    whole = load_images(folder, limit=TRAIN + HELD_OUT)
    joined = [torch.cat([getattr(whole.train, name), getattr(whole.validation, name)]) for name in ("images", "labels")]
    every = replace(whole.train, images=joined[0], labels=joined[1])
    held_out = every.take(slice(TRAIN, TRAIN + HELD_OUT))
    return ImageData(every.take(slice(0, TRAIN)), held_out, held_out, whole.classes)


def with_passes(scheme: Callable[[float, float], Schedule], passes: int) -> Schedule:
    """The schedule of about so many passes."""
    low, high = 0.0, 2.0 * passes
    while high - low > 1e-4:
        middle = (low + high) / 2
        if scheme(middle, LEARNING_RATE).passes(TRAIN // BATCH) > passes:
            high = middle
        else:
            low = middle
    return scheme(low, LEARNING_RATE)


def schedule(run: Run) -> Schedule:
    """What a run follows."""
    if run.scheme == ALONE:
        epochs = PASSES / (TRAIN // BATCH)
        return Schedule((Phase("alone", epochs, LEARNING_RATE, warm_up_epochs=1.0),))
    share, scheme = SCHEMES[run.scheme]
    passes = round(share * PASSES) - (SPLIT_PASSES if run.scheme == "few_shot" else 0)
    return fitted(with_passes(scheme, passes), space())


def carry_out(data: str, folder: Path, run: Run) -> None:
    """Trains and measures one run; leaves its figures in a file."""
    torch.set_num_threads(1)
    place = folder / run.name
    place.mkdir(parents=True, exist_ok=True)
    joint, found = space(), images(data)
    only = None if run.subnet is None else subnets()[run.subnet]
    net = supernet(joint.architectures, run.seed)
    settings = TrainingSettings(batch_size=BATCH, flip=True)
    train_supernet(net, joint, found, schedule(run), settings, run.seed, place, only=only)
    realizer = CandidateRealizer(net, found)
    accuracies = [realizer.accuracy(candidate) for candidate in (subnets() if only is None else [only])]
    (folder / f"{run.name}.json").write_text(json.dumps({"accuracies": accuracies}))


def interval(samples: list[float]) -> str:
    """Mean and half the width of its 95 % interval, by Student's t."""
    half = t.ppf(0.975, len(samples) - 1) * statistics.stdev(samples) / len(samples) ** 0.5
    return f"{statistics.mean(samples):.2f} ± {half:.2f}"


def show(folder: Path) -> None:
    """Prints the table of the schemes and the rows of the targets."""

    def accuracies(run: Run) -> list[float]:
        found: list[float] = json.loads((folder / f"{run.name}.json").read_text())["accuracies"]
        return found

    alone = [accuracies(run)[0] for run in RUNS if run.scheme == ALONE]
    tau, mean = {}, {}
    print("| scheme | passes | smallest | largest | 20 subnets | Kendall tau |\n| --- | --- | --- | --- | --- | --- |")
    for scheme, (share, _) in SCHEMES.items():
        measured = [accuracies(Run(scheme, seed)) for seed in SEEDS]
        tau[scheme] = [float(kendalltau(found[2:], alone[2:]).statistic) for found in measured]
        mean[scheme] = [statistics.mean(found[2:]) for found in measured]
        columns = [interval([found[end] for found in measured]) for end in (0, 1)]
        cells = [scheme, f"{share * PASSES:.0f}", *columns, interval(mean[scheme]), interval(tau[scheme])]
        print(f"| {' | '.join(cells)} |")
    print(f"| alone | {PASSES} each | {alone[0]:.2f} | {alone[1]:.2f} | {statistics.mean(alone[2:]):.2f} | |\n")
    best = max((scheme for scheme in SCHEMES), key=lambda scheme: statistics.mean(mean[scheme]))
    one_shot = max((s for s in SCHEMES if s != "few_shot"), key=lambda scheme: statistics.mean(tau[scheme]))
    seeds, command = f"{SEEDS[0]} to {SEEDS[-1]}", "python benchmarks/training_schemes.py DATA"
    gaps = [statistics.mean(alone[2:]) - value for value in mean[best]]
    halves = zip(mean["deps, half the passes"], mean["ofa"], strict=True)
    for target, samples, form in (
        (
            f"Training alone over `{best}`, mean of 20 subnets, at 1/{RANDOM_SUBNETS} of the passes: at most 1.0",
            gaps,
            "{:.2f} points",
        ),
        (
            "`deps` of half the passes over `ofa`, mean of 20 subnets: at least 0",
            [a - b for a, b in halves],
            "{:.2f} points",
        ),
        (f"Kendall tau of `{one_shot}` with training alone, 20 subnets: at least 0.7", tau[one_shot], "{:.2f}"),
        ("The same, `few_shot`: higher", tau["few_shot"], "{:.2f}"),
    ):
        print(row(target, samples, form, seeds, command, threads=1))


def main() -> None:
    """Carries out what is missing, and prints the tables once nothing is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="folder with train.parquet and test.parquet")
    parser.add_argument("--folder", type=Path, default=Path("runs/training_schemes"), help="where runs are kept")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    options = parser.parse_args()
    missing = [run for run in RUNS if not (options.folder / f"{run.name}.json").exists()]
    with multiprocessing.get_context("spawn").Pool(options.workers, maxtasksperchild=1) as pool:
        work = partial(carry_out, options.data, options.folder)
        for done, _ in enumerate(pool.imap_unordered(work, missing, chunksize=1), 1):
            print(f"{done} of {len(missing)} runs", flush=True)
    show(options.folder)


if __name__ == "__main__":
    main()
