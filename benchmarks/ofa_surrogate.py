"""Searchers on a surrogate of the Once-for-All MobileNetV3 space: hypervolume of accuracy and computation.

In: the reference data. Out: rows of the table in `README.md`. The accuracy is that of an ensemble fitted to published
measurements of 1,697 subnets at 224 pixels, not a measurement; the computation is exact.
"""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from report import row

from nas.objectives import AdditiveEvaluator, FloatArray, Objective
from nas.search.comparison import Comparison, estimate_interval95
from nas.search.protocol.problem import SearchProblem
from predictors.ensemble import EnsemblePredictor
from results.metric import METRICS, Metric
from search_spaces.analytic_costs.macs import MACS
from search_spaces.candidate import Architecture, Candidate, ConvBlock
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.restricted_space import RestrictedSpace

BUDGETS, PUBLISHED = (100, 250, 500), (2758.0, 2940.0, 3059.0)  # the best published run of this space
REFERENCE = (70.0, 600.0)  # percent, millions of multiply-accumulates
WIDTHS, BLOCKS = (24, 40, 80, 112, 160), 4
COMMAND = "python benchmarks/ofa_surrogate.py"


def ofa_space() -> JointSpace:
    whole = create_space("mobilenet_v3_imagenet", 3, 1000)
    return JointSpace(RestrictedSpace(whole, {"resolution": [224]}))


def architecture(subnet: pd.Series) -> Architecture:
    stages = []
    for stage, width in enumerate(WIDTHS):
        places = range(stage * BLOCKS, stage * BLOCKS + int(subnet[f"d{stage}"]))
        stages.append(tuple(ConvBlock(width, int(subnet[f"ks{at}"]), float(subnet[f"e{at}"])) for at in places))
    return Architecture("mobilenet_v3_imagenet", 224, tuple(stages))


def measured(space: JointSpace, data: Path) -> tuple[Population, FloatArray]:
    """The published subnets, each once, with their mean accuracies in percent."""
    table = pd.read_csv(data / "ofa_mbv3_accuracy" / "subnets.csv")
    found: dict[Candidate, list[float]] = {}
    for _, subnet in table.iterrows():
        one = architecture(subnet)
        policy = CompressionPolicy((LayerPolicy(),) * len(space.architectures.layers(one)))
        found.setdefault(Candidate(one, policy), []).append(float(subnet["top1"]))
    return space.encode(list(found)), np.array([np.mean(values) for values in found.values()])


@lru_cache(maxsize=1)
def make_comparison(data: Path) -> Comparison:
    space = ofa_space()
    subnets, accuracies = measured(space, data)
    model = EnsemblePredictor(seed=0)
    model.fit(subnets.features(), accuracies)
    macs = space.tabulate(lambda layer, policy: MACS.layer_cost(layer, policy) / 1e6)
    millions = Metric("macs_millions", "millions")
    objectives = (
        Objective(METRICS["accuracy"], lambda population: model.predict(population.features()).mean),
        Objective(millions, AdditiveEvaluator(macs), exact=True),
    )
    return Comparison(SearchProblem(space, objectives), REFERENCE, BUDGETS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--searchers", nargs="+", default=["linas", "nsga2", "random"])
    options = parser.parse_args()
    for name in options.searchers:
        curves = np.array([make_comparison(options.data).measure_curve(name, seed) for seed in range(options.seeds)])
        for budget, published, samples in zip(BUDGETS, PUBLISHED, curves.T, strict=True):
            mean, half = estimate_interval95(samples.tolist())
            target = f": above {published:.0f}" if name == "linas" else ""
            what = f"OFA surrogate, hypervolume, `{name}`, {budget} evaluations{target}; mean {mean:.0f} ± {half:.0f}"
            print(row(what, samples.tolist(), "{:.0f}", f"0 to {options.seeds - 1}", COMMAND), flush=True)


if __name__ == "__main__":
    main()
