"""Candidates judged per second by accuracy predictor and additive table, beside the evolution finder of `ofa`.

In: the reference data; the package `ofa` comes with the extra `benchmark`. Out: rows of the table in `README.md`. Both
judge networks of the same space by an accuracy predictor and by operations; rounds alternate, on one thread.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from ofa_surrogate import measured, ofa_space
from report import row

from hardware.analytic import network_cost
from nas.jobs.stages.fit import FittedMetric
from nas.objectives import FloatArray
from nas.search.surrogate.inner_evolution import evolve
from predictors.ridge import RidgePredictor
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population
from search_spaces.presets import create_space

ROUNDS, CANDIDATES = 7, 200_000
EVOLVED = 20_000
GENERATIONS, LIMIT_MMACS = 10, 400.0  # of the evolution finder
PERCENT = (0.0, 100.0)
COMMAND = "python benchmarks/candidate_speed.py"


class Finder:
    """The evolution finder of `ofa`, with its own operation count and its predictor, untrained: that takes as long."""

    def __init__(self) -> None:
        # ofa.utils imports its data loaders, which need torchvision; an empty module stands in for them.
        sys.modules["ofa.utils.my_dataloader"] = ModuleType("ofa.utils.my_dataloader")
        from ofa.imagenet_classification.elastic_nn.networks import OFAMobileNetV3
        from ofa.nas.accuracy_predictor import AccuracyPredictor, MobileNetArchEncoder
        from ofa.nas.efficiency_predictor import Mbv3FLOPsModel
        from ofa.nas.search_algorithm import EvolutionFinder

        domains: dict[str, Any] = {"ks_list": [3, 5, 7], "expand_ratio_list": [3, 4, 6], "depth_list": [2, 3, 4]}
        encoder = MobileNetArchEncoder([224], domains["ks_list"], domains["expand_ratio_list"], domains["depth_list"])
        model = Mbv3FLOPsModel(OFAMobileNetV3(width_mult=1.2, **domains))
        self.judged = 0
        counted = model.get_efficiency

        def efficiency(architecture: dict[str, Any]) -> float:
            self.judged += 1
            return float(counted(architecture))

        model.get_efficiency = efficiency
        self._finder = EvolutionFinder(model, AccuracyPredictor(encoder, device="cpu"), max_time_budget=GENERATIONS)

    def rate(self) -> float:
        """Candidates a second."""
        self.judged = 0
        start = time.perf_counter()
        with torch.no_grad():
            self._finder.run_evolution_search(LIMIT_MMACS)
        return self.judged / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    space = ofa_space()
    subnets, accuracies = measured(space, options.data)
    predictor = RidgePredictor()
    predictor.fit(subnets.features(), accuracies)
    accuracy, macs = FittedMetric(predictor, space, PERCENT), network_cost(space, "macs")
    population = space.sample(np.random.default_rng(0), CANDIDATES)

    with_bits = JointSpace(
        create_space("mobilenet_v3_imagenet", 3, 1000), PolicySpace.parse(["w32a32", "w8a8", "w4a8"])
    )
    rng = np.random.default_rng(0)
    labelled, joint = with_bits.sample(rng, 300), with_bits.sample(rng, CANDIDATES)
    made_up = RidgePredictor()
    made_up.fit(labelled.features(), rng.random(300))
    joint_accuracy, joint_size = (
        FittedMetric(made_up, with_bits, PERCENT),
        network_cost(with_bits, "weight_bytes"),
    )

    def believe(some: Population) -> tuple[FloatArray, FloatArray]:
        return np.column_stack([-accuracy(some), macs(some.genes)]), np.zeros(len(some))

    finder = Finder()
    theirs, ours, bits, evolved = [], [], [], []
    for _ in range(ROUNDS):
        theirs.append(finder.rate())
        start = time.perf_counter()
        believe(population)
        ours.append(CANDIDATES / (time.perf_counter() - start))
        start = time.perf_counter()
        joint_accuracy(joint)
        joint_size(joint.genes)
        bits.append(CANDIDATES / (time.perf_counter() - start))
        start = time.perf_counter()
        evolve(space, believe, population.genes[:1], np.random.default_rng(0), EVOLVED)
        evolved.append(EVOLVED / (time.perf_counter() - start))
    rounds = f"{ROUNDS} rounds"
    form = "{:,.0f} candidates/s"
    print(row("Accuracy predictor and additive table, OFA space: at least 200,000/s", ours, form, rounds, COMMAND, 1))
    print(row("The same with bits for every layer", bits, form, rounds, COMMAND, 1))
    print(row("Evolution on both, children and fronts included, OFA space", evolved, form, rounds, COMMAND, 1))
    print(row("Evolution finder of `ofa`", theirs, form, rounds, COMMAND, 1))
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    print(row("Candidates judged over those of `ofa`: at least 100 times", ratios, "{:.0f} times", rounds, COMMAND, 1))
    ratios = [one / other for one, other in zip(evolved, theirs, strict=True)]
    print(row("Evolution over that of `ofa`", ratios, "{:.1f} times", rounds, COMMAND, 1))


if __name__ == "__main__":
    main()
