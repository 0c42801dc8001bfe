"""LINAS by tables of damage, over LINAS without: hypervolumes at equal numbers of evaluations.

In: nothing. Out: rows of the table in `README.md`. On a chain of 15 layers the cost is a root of summed damages, and
the table that LINAS is given is wrong by a factor in each entry. On the supernet `resnet_digits`, which is trained
first, accuracy is measured and the table is that of `options: {sensitivity: output_divergence}`: that of the largest
network alone, and with those of two more architectures in each round.
Networks, tables and evaluations are kept below the runs' folder: what was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
from report import row
from rich.console import Console

from hardware.analytic import network_cost
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.job import Job
from nas.jobs.run import train_job
from nas.jobs.stages.supernet_damage import find_supernet_damage, measure_architectures
from nas.jobs.workspace import Workspace
from nas.objectives import AdditiveEvaluator, FloatArray, MeasuredEvaluator, Objective
from nas.search.comparison import Comparison, estimate_interval95
from nas.search.protocol.problem import SearchProblem
from results.metric import METRICS
from search_spaces.families.given import GivenSpace, StoredTensor
from search_spaces.joint_space import JointSpace
from search_spaces.network_graph import NetworkGraph, Node
from search_spaces.operators.weighted import Convolution
from search_spaces.policy_space import PolicySpace
from search_spaces.population import Population

BUDGETS = {"a chain of 15 layers": (40, 80), "the supernet `resnet_digits`": (30, 60)}
POLICIES = ["w8a8", "w6a8", "w5a8", "w4a8", "w3a8", "w2a8"]
METRIC = "output_divergence"
WRONG = 1.5  # factor by which an entry of the chain's table is wrong, as a standard deviation of its logarithm
CHANCE = 10.0  # percent
OWN = {"sensitivity": METRIC, "own_tables": 2}
COMMAND = "python benchmarks/linas_seeding.py"
JOB = {
    "name": "linas-seeding",
    "space": {"name": "resnet_digits", "policies": POLICIES},
    "training": {"schedule": "single", "epochs": 60, "batch_size": 64, "learning_rate": 0.1},
    "search": {"objectives": ["accuracy", "weight_bytes"]},
}


def make_chain(seed: int) -> SearchProblem:
    """A chain whose layers differ in size and in damage; what is given of the damage is not quite right."""
    rng = np.random.default_rng(seed)
    widths = rng.choice([8, 16, 32, 64], size=15).tolist()
    nodes = [
        Node(f"c{at}", Convolution.square(before, after), (f"c{at - 1}" if at else "x",), (f"w{at}",))
        for at, (before, after) in enumerate(pairwise([3, *widths]))
    ]
    graph = NetworkGraph((("x", (3, 8, 8)),), tuple(nodes), (nodes[-1].name,))
    stored = {name: StoredTensor(4 * prod(shape), prod(shape)) for name, shape in graph.parameter_shapes.items()}
    space = JointSpace(GivenSpace("chain", graph, stored), PolicySpace.parse(POLICIES))
    # a bit less is about four times the squared error; layers differ by an order of magnitude
    errors = 4.0 ** np.arange(len(POLICIES)) * rng.lognormal(sigma=1.0, size=(len(nodes), 1))
    exact = errors / errors.sum(0).max()
    given = exact * WRONG ** rng.standard_normal(exact.shape)

    def measure(population: Population) -> FloatArray:
        sums = exact[np.arange(len(nodes)), population.genes.astype(np.int64)].sum(1)
        return np.asarray(90.0 - (90.0 - CHANCE) * np.sqrt(sums))

    size = AdditiveEvaluator(network_cost(space, "weight_bytes"))
    objectives = (Objective(METRICS["accuracy"], measure), Objective(METRICS["weight_bytes"], size, exact=True))
    return SearchProblem(space, objectives, damage=tuple(given))


def compare(
    problem: SearchProblem, seed: int, budgets: tuple[int, ...], kept: str, variants: Mapping[str, Mapping[str, object]]
) -> FloatArray:
    """Hypervolume with the table of damage over that without it, by variants of options, shape (variants, budgets)."""
    size = problem.objectives[1]
    reference = (CHANCE, float(size.evaluate(problem.space.encode([problem.space.largest()]))[0]))
    with_table = {name: (problem, options) for name, options in variants.items()}
    volumes = [
        Comparison(one, reference, budgets).measure_curve("linas", seed, f"sqlite:///{kept}{name}.db", options)
        for name, (one, options) in {**with_table, "plain": (replace(problem, damage=()), {})}.items()
    ]
    return np.array(volumes[:-1]) / volumes[-1]


def compare_on_chains(seeds: int, runs: Path) -> Iterator[FloatArray]:
    """The ratios of each seed, which draws a chain of its own."""
    for seed in range(seeds):
        budgets = BUDGETS["a chain of 15 layers"]
        yield compare(make_chain(seed), seed, budgets, f"{runs / f'chain-{seed}-'}", {"seeded": {}})


def compare_on_supernet(seeds: int, runs: Path) -> Iterator[FloatArray]:
    """The ratios of each seed, on one supernet."""
    with Workspace(Job.model_validate(JOB), runs, Reporter(Console(stderr=True))) as workspace:
        train_job(workspace)
        subject, execution = workspace.subject, workspace.execution
        largest = find_supernet_damage(METRIC, subject.space.largest().architecture, subject, execution)
        with execution.open_pool() as pool:
            measured = MeasuredEvaluator(pool.measuring(subject.measurement), "accuracy")
            objectives = (Objective(METRICS["accuracy"], measured), workspace.costs().objective("weight_bytes"))
            own = measure_architectures(METRIC, subject, replace(execution, opened=pool))
            problem = SearchProblem(subject.space, objectives, damage=largest, measure_damage=own)
            for seed in range(seeds):
                budgets = BUDGETS["the supernet `resnet_digits`"]
                yield compare(problem, seed, budgets, f"{runs / 'supernet-'}", {"seeded": {}, "own": OWN})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/linas_seeding"))
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    titles = ("`options: {sensitivity}`", "`options: {sensitivity, own_tables: 2}`")
    for (what, budgets), compared in zip(BUDGETS.items(), (compare_on_chains, compare_on_supernet), strict=True):
        gains = 100 * (np.array(list(compared(options.seeds, options.runs))) - 1)
        for variant, title in enumerate(titles[: gains.shape[1]]):
            for column, budget in enumerate(budgets):
                found = gains[:, variant, column].tolist()
                mean, half = estimate_interval95(found)
                target = f"Hypervolume that {title} adds to LINAS, {what}, {budget} evaluations"
                said = f"{target}; mean {mean:.2f} ± {half:.2f} %"
                print(row(said, found, "{:.2f} %", f"0 to {options.seeds - 1}", COMMAND, 1), flush=True)


if __name__ == "__main__":
    main()
