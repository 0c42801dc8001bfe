"""Cells and bits: how well a predictor ranks trained networks, and joint search against operators first and bits after.

In: the reference data. Out: rows of the table in `README.md`. In the search the accuracy is a SURROGATE's, and the bits
are priced by a rule, see `joint_cells_table.py`; the exact front of all 531,441 networks is known. All is searched by
LINAS. Two stages: operators at 8 bits with half of the evaluations; then the bits of K cells of that front with the
other half, in one search that is told their outcomes at 8 bits. The cells are those that dominate the most at 8 bits,
taken one by one until none adds anything, which is before the largest K. That K counts which serves the two stages best
on average.
Finished seeds are kept in a folder; after a change of the searcher or of the table, give another one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from joint_cells_table import BITS, EDGES, CellsWithBits, IntArray, Networks, boosted, objectives, table, trained
from report import row
from scipy.stats import spearmanr

from nas.evaluation.worker_process import prepare_worker
from nas.files import atomic_write
from nas.folder_lock import folder_lock
from nas.objectives import FloatArray, Objective, compute_costs
from nas.search.comparison import Comparison, estimate_interval95
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import create_searcher
from predictors.ensemble import EnsemblePredictor
from predictors.predictor import Predictor
from predictors.ridge import RidgePredictor
from results.pareto import non_dominated
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

BUDGETS, CELLS = (100, 200), (1, 3, 5, 10, 20)
LEAST_ACCURACY = 60.0  # percent; the reference of latency and energy is the front's largest
LABELS, SPLITS, HELD_OUT = 1000, 10, 2500
COMMAND = "python benchmarks/joint_cells.py"
RANKED: dict[str, tuple[Callable[[], Predictor], Callable[[Networks], FloatArray]]] = {
    "ridge on operators": (RidgePredictor, lambda networks: networks.one_hot(False)[:, :30]),
    "ridge on operators and bits": (RidgePredictor, lambda networks: networks.one_hot(False)),
    "Gaussian processes on operators and bits": (EnsemblePredictor, lambda networks: networks.one_hot(False)),
    "Gaussian processes on live operators and bits, and paths: above 0.66": (EnsemblePredictor, Networks.features),
}


def rank_correlations(data: Path) -> None:
    """Prints how well networks are ranked that were not fitted."""
    networks, accuracies = trained(data, 150)
    splits = [np.random.default_rng(seed).permutation(len(networks)) for seed in range(SPLITS)]
    for name, (make, features) in RANKED.items():
        rows, samples = features(networks), []
        for order in splits:
            model = make()
            model.fit(rows[order[:LABELS]], accuracies[order[:LABELS]])
            predicted = model.predict(rows[order[LABELS:]]).mean
            samples.append(float(spearmanr(predicted, accuracies[order[LABELS:]]).statistic))
        what = f"Accuracy of trained cells with bits, Spearman, {LABELS:,} labels, {name}; mean {np.mean(samples):.3f}"
        print(row(what, samples, "{:.3f}", f"0 to {SPLITS - 1}", COMMAND), flush=True)
    networks, accuracies = trained(data, 50)
    samples = []
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(networks))
        held, fitted = order[:HELD_OUT], order[HELD_OUT:]
        predicted = boosted(networks.take(fitted), accuracies[fitted]).predict(networks.take(held).features())
        samples.append(float(spearmanr(predicted, accuracies[held]).statistic))
    what = f"The surrogate of the joint table of cells, Spearman on {HELD_OUT:,} held-out networks"
    print(row(what, samples, "{:.3f}", f"0 to {SPLITS - 1}", COMMAND), flush=True)


def make_comparison(data: Path, space: JointSpace) -> Comparison:
    """Of a space: the reference of the hypervolume is that of the exact front in all."""
    wanted = objectives(data, space)
    values = table(data)
    front = values[non_dominated(compute_costs(wanted, values))]
    worst = front[front[:, 0] > LEAST_ACCURACY].max(axis=0)
    return Comparison(SearchProblem(space, wanted), (LEAST_ACCURACY, *worst[1:].tolist()), BUDGETS)


def measured(wanted: tuple[Objective, ...], population: Population) -> FloatArray:
    return np.column_stack([objective.evaluate(population) for objective in wanted])


def searched(
    data: Path, space: JointSpace, seed: int, evaluations: int, known: Population | None = None
) -> tuple[Population, FloatArray]:
    """What LINAS evaluates beyond what is known, and its values, shape (n, 3)."""
    wanted = objectives(data, space)
    made = create_searcher("linas", SearchProblem(space, wanted), seed)
    if known is not None:
        made.tell(known, compute_costs(wanted, measured(wanted, known)), np.zeros(len(known)))
    found, values = np.empty((0, len(space.cardinalities)), dtype=np.int16), np.empty((0, len(wanted)))
    while len(found) < evaluations and len(population := made.ask(made.batch)):
        population = population.take(slice(0, evaluations - len(found)))
        new = measured(wanted, population)
        made.tell(population, compute_costs(wanted, new), np.zeros(len(new)))
        found, values = np.concatenate([found, population.genes]), np.concatenate([values, new])
    return Population(space, found), values


def dominating(judge: Comparison, values: FloatArray, most: int) -> list[int]:
    """Rows of values, shape (n, 3), each the one that adds the most hypervolume to those before it."""
    chosen: list[int] = []
    while len(chosen) < most:
        volumes = [judge.measure_volume(values[[*chosen, at]]) for at in range(len(values))]
        if chosen and max(volumes) <= judge.measure_volume(values[chosen]):
            break
        chosen.append(int(np.argmax(volumes)))
    return chosen


def one_seed(data: Path, seed: int, path: Path) -> None:
    """Hypervolumes of the joint search and of two stages, in a process of its own."""
    judge = make_comparison(data, JointSpace(CellsWithBits()))
    volumes: dict[str, list[float]] = {"joint": judge.measure_curve("linas", seed).tolist()}
    first = CellsWithBits(bits=BITS[-1:])
    cells, at_8_bits = searched(data, JointSpace(first), seed, BUDGETS[-1] // 2)
    for most in CELLS:
        volumes[f"{most}"] = []
        for budget in BUDGETS:
            half = budget // 2
            rows = dominating(judge, at_8_bits[:half], most)
            operators: IntArray = first.networks(cells.genes[rows]).operators
            second = JointSpace(CellsWithBits(cells=operators))
            genes = np.full((len(rows), 1 + len(EDGES)), len(BITS) - 1)
            genes[:, 0] = np.arange(len(rows))
            after = searched(data, second, seed, budget - half, second.population(genes))[1]
            volumes[f"{most}"].append(judge.measure_volume(np.concatenate([at_8_bits[:half], after])))
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(volumes))


def finished(data: Path, folder: Path, seeds: int, workers: int) -> list[Path]:
    """The files of all seeds; those that are missing are made."""
    paths = [folder / f"{seed}.json" for seed in range(seeds)]
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # read where workers load this file
    with (
        folder_lock(folder),
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), prepare_worker) as pool,
    ):
        missing = [seed for seed, path in enumerate(paths) if not path.exists()]
        waiting = [pool.submit(one_seed, data, seed, paths[seed]) for seed in missing]
        try:
            for done in as_completed(waiting):
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after a failure, what waits would be run for nothing
    return paths


def compare(found: dict[str, FloatArray], exact: float, seeds: str) -> None:
    """Prints the outcome: hypervolumes of shape (seeds, budgets) of the joint search and of every K."""
    for at, budget in enumerate(BUDGETS):
        shares = {name: volumes[:, at] / exact for name, volumes in found.items()}
        best = max((f"{most}" for most in CELLS), key=lambda name: shares[name].mean())
        means = ", ".join(f"{shares[str(most)].mean():.4f} with {most}" for most in CELLS)
        titles = {"joint": "joint search", best: f"operators first, then the bits of {best} cells (means: {means})"}
        start = f"Surrogate of cells with bits, {budget} evaluations"
        for name, title in titles.items():
            mean, half = estimate_interval95(shares[name].tolist())
            what = f"{start}, share of the exact hypervolume, {title}; mean {mean:.4f} ± {half:.4f}"
            print(row(what, shares[name].tolist(), "{:.4f}", seeds, COMMAND), flush=True)
        ratios = (shares["joint"] / shares[best]).tolist()
        mean, half = estimate_interval95(ratios)
        what = f"{start}, hypervolume of joint search over that of operators first and bits after: above 1"
        print(row(f"{what}; mean {mean:.4f} ± {half:.4f}", ratios, "{:.4f}", seeds, COMMAND), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, default=Path("runs/joint_cells"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    rank_correlations(options.data)
    given = (options.data, options.folder, options.seeds, options.workers)
    kept = [json.loads(path.read_text()) for path in finished(*given)]
    found = {name: np.array([volumes[name] for volumes in kept]) for name in kept[0]}
    judge = make_comparison(options.data, JointSpace(CellsWithBits()))
    exact = judge.measure_volume(table(options.data))
    compare(found, exact, f"0 to {options.seeds - 1}")


if __name__ == "__main__":
    main()
