"""The front of ResNet-20 as `nas compress` makes it, timed, and held against uniform policies: rows of `README.md`.

In: the folder of the reference data. A job without labels, with the objectives agreement with the given network and
bytes, measures uniform policies of 2 to 8 bits, each made in several ways, and 20 allocations, by a table of damage
that it measures first; seconds are those of one core (processor time), from the stored network to the front. Then the
law: no point of the front is worse than a uniform policy of the same size or smaller, with any step of repair or none.
Each of these is made anew and judged, like the front, on all 10,000 test images, which no choice has seen: printed is
by how many points it is ahead of the best point of the front that is no larger, at most.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from compress_resnet20 import BITS, NORMALIZATION, fit, judge, percentage, round_nearest, uniform
from report import row
from resnet20_jobs import open_job

from nas.compression.repair.recipe import LIGHT
from nas.compression.subject import CompressionSubject
from nas.data.sources import load_images
from nas.jobs.run import search_job, train_job
from search_spaces.candidate import Candidate
from search_spaces.elastic.graph_network import GraphNetwork

SIZES = 20
JOB = {
    "data": {"labelled": False},
    "space": {"policies": [f"w{bits}a8" for bits in reversed(BITS)]},
    "search": {
        "searcher": "allocation",
        "options": {"initial_design": SIZES},
        "evaluations": len(BITS) + SIZES,
        "stop": None,
        "objectives": ["explained_variance", "weight_bytes"],
    },
}
COMMAND = "taskset -c 0 python benchmarks/compress_front.py DATA"


def make_uniform(subject: CompressionSubject, bits: int) -> Iterator[tuple[str, GraphNetwork]]:
    """The network with the same bits in all layers, by name of what repairs it."""
    policy = uniform(subject.traced, bits)
    for step in (None, *LIGHT.single_steps):
        yield "none" if step is None else type(step).__name__, round_nearest(subject, policy, step)
    yield "recipe", fit(subject, policy)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of the reference data")
    parser.add_argument("--runs", type=Path, default=Path("runs/compress_front"), help="must be new to be timed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    splits = load_images(str(arguments.data / "cifar10"), limit=10_000)
    test = NORMALIZATION.inputs(splits.test.images, 32), splits.test.labels
    with open_job(arguments.data, arguments.runs, "compress-front", JOB) as workspace:
        begin = time.process_time()
        train_job(workspace)
        outcome = search_job(workspace)
        seconds = time.process_time() - begin
        target = f"ResNet-20, `nas compress`, {len(BITS)} uniform policies and {SIZES} sizes on one core: under 600 s"
        print(row(target, [seconds], "{:.0f} s", "1", COMMAND, 1), flush=True)
        population, realizer = outcome.front.population, workspace.subject.realizer()
        sizes = workspace.costs().objective("weight_bytes").evaluate(population)
        front = {}
        for size, candidate in zip(sizes.tolist(), population.candidates, strict=True):
            network = realizer.realize(candidate)
            assert isinstance(network, GraphNetwork)
            front[size] = judge(network, *test)
            print(f"{size:.0f} bytes, {percentage(front[size]):.2f} %", file=sys.stderr, flush=True)
        whole = workspace.space.largest().architecture
        subject = realizer.given.subject(whole)
        ahead, errors = [], []
        for bits in BITS:
            same = workspace.space.encode([Candidate(whole, uniform(subject.traced, bits))])
            size = float(workspace.costs().objective("weight_bytes").evaluate(same)[0])
            best = max((one for known, one in front.items() if known <= size), key=percentage)
            for name, network in make_uniform(subject, bits):
                right = judge(network, *test)
                difference = right.double() - best.double()
                ahead.append(100 * difference.mean().item())
                errors.append(100 * difference.std().item() / len(difference) ** 0.5)
                print(f"{bits} bits, {name}: {percentage(right):.2f} %, {ahead[-1]:.2f}", file=sys.stderr, flush=True)
    worst = max(range(len(ahead)), key=ahead.__getitem__)
    target = f"ResNet-20, {len(ahead)} uniform networks, most that one is ahead of the front (standard error "
    print(row(f"{target}{errors[worst]:.2f}): at most 0 points", [ahead[worst]], "{:.2f} points", "1", COMMAND, 1))


if __name__ == "__main__":
    main()
