"""Accuracy of subnets of one supernet by training scheme, against the same subnets trained alone.

In: the name of a study; for CIFAR-10, its folder. Out: a table of the schemes, and rows of the table in `README.md`.
Every scheme gets the same number of forward-backward passes, and so does every subnet that is trained alone, but for
those whose name says otherwise. What is finished is kept in a folder, and a killed training goes on: start the same
command again until nothing is missing.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from report import row
from scipy.stats import kendalltau, t
from training_studies import RANDOM_SUBNETS, STUDIES, Study

from nas.data.splits import DataSplits
from nas.evaluation.realize import CandidateRealizer
from nas.files import atomic_write
from nas.training.checkpoint import load_checkpoint
from nas.training.plan import TrainingPlan
from nas.training.schedules.phase import Phase
from nas.training.schedules.presets import deps, few_shot, ofa, sandwich, single, todm
from nas.training.schedules.registry import fit_schedule_to
from nas.training.schedules.schedule import Schedule
from nas.training.settings import TrainingSettings
from nas.training.trainer import train_supernet
from search_spaces.candidate import Candidate
from search_spaces.elastic.supernet import Supernet, build_supernet

ALONE = "alone"
SPLIT_BATCHES = 2  # over which gradients are compared
TUNED, TUNING_SHARE, TUNING_RATE = "single", 0.0475, 0.4  # trained on for each subnet; of its passes and learning rate
SCHEMES: dict[str, tuple[float, Callable[[float, float], Schedule]]] = {  # share of the passes, and schedule by epochs
    "single": (1.0, single),
    "single, 1.95 times the passes": (1.95, single),
    "sandwich": (1.0, sandwich),
    "ofa": (1.0, ofa),
    "deps": (1.0, deps),
    "deps, half the passes": (0.5, deps),
    "todm": (1.0, todm),
    "few_shot": (1.0, partial(few_shot, batches=SPLIT_BATCHES)),
}


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


def all_runs(study: Study) -> list[Run]:
    """All trainings, those by schemes first."""
    schemes = [Run(scheme, seed) for seed in study.seeds for scheme in SCHEMES]
    return schemes + [Run(ALONE, 0, subnet) for subnet in range(RANDOM_SUBNETS + 2)]


def with_passes(scheme: Callable[[float, float], Schedule], study: Study, passes: int, steps: int) -> Schedule:
    """The schedule of about so many passes, at so many steps per epoch."""
    low, high = 0.0, 2.0 * passes
    while high - low > 1e-4:
        middle = (low + high) / 2
        if scheme(middle, study.learning_rate).count_passes(steps) > passes:
            high = middle
        else:
            low = middle
    return fit_schedule_to(study.space(), scheme(low, study.learning_rate))


def split_passes(study: Study) -> int:
    """At most so many passes go into the scores of a supernet and, in a second split, of its two leaves."""
    genes = study.space().genes
    return (
        3 * SPLIT_BATCHES * sum(len(gene.values) for gene in genes if gene.dimension in ("kernel", "depth", "expand"))
    )


def schedule(study: Study, run: Run, steps: int) -> Schedule:
    """What a run follows, at so many steps per epoch."""
    if run.scheme == ALONE:
        return Schedule((Phase(ALONE, study.passes / steps, study.learning_rate, warm_up_epochs=1.0),))
    share, scheme = SCHEMES[run.scheme]
    scores = split_passes(study) if run.scheme == "few_shot" else 0
    return with_passes(scheme, study, round(share * study.passes) - scores, steps)


def carry_out(study: Study, data: str, folder: Path, run: Run) -> None:
    """Trains and measures one run; leaves its figures in a file."""
    torch.set_num_threads(1)
    own = folder / run.name
    own.mkdir(parents=True, exist_ok=True)
    space, images = study.space(), study.load(data)
    only = None if run.subnet is None else study.subnets()[run.subnet]
    net = build_supernet(space.architectures, run.seed)
    settings = TrainingSettings(batch_size=study.batch_size, flip=study.flip)
    phases = schedule(study, run, len(images.train) // study.batch_size)
    if (own / "supernet.safetensors").exists():
        load_checkpoint(own / "supernet.safetensors", net)
    else:
        train_supernet(net, images, TrainingPlan(space, phases, settings, run.seed, only), own)
    subnets = study.subnets() if only is None else [only]
    realizer = CandidateRealizer(net, images)
    figures = {"accuracies": [realizer.measure_accuracy(subnet) for subnet in subnets]}
    if run.scheme == TUNED:
        figures["tuned"] = [tuned_accuracy(study, images, net, subnet, run.seed) for subnet in subnets[2:]]
    with atomic_write(folder / f"{run.name}.json") as draft:
        draft.write_text(json.dumps(figures))


def tuned_accuracy(study: Study, images: DataSplits, trained: Supernet, subnet: Candidate, seed: int) -> float:
    """Percent of a subnet whose weights are trained on for it alone."""
    net, steps = copy.deepcopy(trained), len(images.train) // study.batch_size
    epochs = TUNING_SHARE * study.passes / steps
    phases = Schedule((Phase("tune", epochs, TUNING_RATE * study.learning_rate, warm_up_epochs=0.1 * epochs),))
    settings = TrainingSettings(batch_size=study.batch_size, flip=study.flip)
    with tempfile.TemporaryDirectory() as scratch:
        train_supernet(net, images, TrainingPlan(study.space(), phases, settings, seed, subnet), Path(scratch))
    return CandidateRealizer(net, images).measure_accuracy(subnet)


def interval(samples: list[float]) -> str:
    """Mean and half the width of its 95 % interval, by Student's t."""
    half = t.ppf(0.975, len(samples) - 1) * statistics.stdev(samples) / len(samples) ** 0.5
    return f"{statistics.mean(samples):.2f} ± {half:.2f}"


def show(name: str, study: Study, folder: Path) -> None:
    """Prints the table of the schemes and the rows of the targets."""

    def figures(run: Run) -> dict[str, list[float]]:
        found: dict[str, list[float]] = json.loads((folder / f"{run.name}.json").read_text())
        return found

    alone = [figures(run)["accuracies"][0] for run in all_runs(study) if run.scheme == ALONE]
    tau: dict[str, list[float]] = {}
    mean: dict[str, list[float]] = {}
    cost = {scheme: share for scheme, (share, _) in SCHEMES.items()}

    def add(name: str, ends: list[list[float]], subnets: list[list[float]]) -> None:
        tau[name] = [float(kendalltau(found, alone[2:]).statistic) for found in subnets]
        mean[name] = [statistics.mean(found) for found in subnets]
        columns = [interval([pair[end] for pair in ends]) if ends else "" for end in (0, 1)]
        cells = [name, f"{cost[name] * study.passes:.0f}", *columns, interval(mean[name]), interval(tau[name])]
        print(f"| {' | '.join(cells)} |")

    print("| scheme | passes | smallest | largest | 20 subnets | Kendall tau |\n| --- | --- | --- | --- | --- | --- |")
    for scheme in SCHEMES:
        measured = [figures(Run(scheme, seed)) for seed in study.seeds]
        add(scheme, [one["accuracies"][:2] for one in measured], [one["accuracies"][2:] for one in measured])
        if scheme == TUNED:
            tuned = f"{scheme}, then each subnet tuned"
            cost[tuned] = cost[scheme] + RANDOM_SUBNETS * TUNING_SHARE
            add(tuned, [], [one["tuned"] for one in measured])
    print(f"| alone | {study.passes} each | {alone[0]:.2f} | {alone[1]:.2f} | {statistics.mean(alone[2:]):.2f} | |\n")
    best = max(mean, key=lambda scheme: statistics.mean(mean[scheme]))
    equal = [scheme for scheme, share in cost.items() if share == 1 and scheme != "few_shot"]
    one_shot = max(equal, key=lambda scheme: statistics.mean(tau[scheme]))
    gaps = [statistics.mean(alone[2:]) - value for value in mean[best]]
    halves = [half - ofa for half, ofa in zip(mean["deps, half the passes"], mean["ofa"], strict=True)]
    share = f"{cost[best] / RANDOM_SUBNETS:.3g} of the passes"
    for target, samples, form in (
        (f"training alone over `{best}`, 20 subnets, at {share}: at most 1.0", gaps, "{:.2f} points"),
        ("`deps` of half the passes over `ofa`, 20 subnets: at least 0", halves, "{:.2f} points"),
        (f"Kendall tau of `{one_shot}` with training alone, 20 subnets: at least 0.7", tau[one_shot], "{:.2f}"),
        ("the same, `few_shot`: higher", tau["few_shot"], "{:.2f}"),
    ):
        seeds, command = (
            f"{study.seeds[0]} to {study.seeds[-1]}; alone 0",
            f"python benchmarks/training_schemes.py {name}",
        )
        print(row(f"{name}: {target}", samples, form, seeds, command, threads=1))


def is_done(folder: Path, run: Run) -> bool:
    """Whether a run left all its figures."""
    file = folder / f"{run.name}.json"
    return file.exists() and (run.scheme != TUNED or "tuned" in json.loads(file.read_text()))


def main() -> None:
    """Carries out what is missing, and prints the tables once nothing is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--data", default="../shared/data/cifar10", help="folder of CIFAR-10, with train.parquet")
    parser.add_argument("--folder", type=Path, default=Path("runs/training_schemes"), help="where runs are kept")
    parser.add_argument("--passes", type=int, help="of every training, for a larger study on an accelerator")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    options = parser.parse_args()
    study = STUDIES[options.study]
    study = replace(study, passes=options.passes or study.passes)
    folder = options.folder / f"{options.study}-{study.passes}"
    missing = [run for run in all_runs(study) if not is_done(folder, run)]
    with multiprocessing.get_context("spawn").Pool(options.workers, maxtasksperchild=1) as pool:
        work = partial(carry_out, study, options.data, folder)
        for done, _ in enumerate(pool.imap_unordered(work, missing, chunksize=1), 1):
            print(f"{done} of {len(missing)} runs", flush=True)
    show(options.study, study, folder)


if __name__ == "__main__":
    main()
