"""Searchers on a trained supernet's measurements: the share of the exact front, and what is lost at its ends.

In: `digits.parquet`, which `digits_table.py` makes. Out: rows of the table in `README.md`, and a table of regrets.
Finished runs are kept in a folder; after a change of a searcher or of the table, give another one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from digits_table import GUARD, OTHER, SAME, TABLE
from numpy.typing import NDArray
from report import row

from nas.data.sources import load_images
from nas.evaluation.worker_process import prepare_worker
from nas.files import atomic_write
from nas.objectives import FloatArray, Objective, compute_costs
from nas.search.comparison import estimate_interval95
from nas.search.protocol.problem import SearchProblem
from nas.search.registry import create_searcher
from results.metric import METRICS
from results.pareto import hypervolume, non_dominated
from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.choices import Choice
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population
from search_spaces.presets import create_space
from search_spaces.search_space import Genes, SearchSpace

BUDGETS = (50, 100, 200)
SEARCHERS = ["linas", "nsga2", "optuna_tpe", "optuna_gp", "random"]
METRIC_NAMES = ("accuracy", "latency_ms", "weight_bytes")
CHANCE = 10.0  # percent, where nothing keeps a limit
BETWEEN = {f"latency of {percent} % of the front": percent for percent in (25, 50, 75)}
COMMAND = "python benchmarks/live_digits.py"

IntArray = NDArray[np.int64]


class DigitsUnderPolicies(SearchSpace):
    """The architectures of the digits, and two genes for the policy of all their layers."""

    def __init__(self) -> None:
        self._architectures = create_space("mobilenet_v3_digits", 1, 10)
        policy, guard = Choice("policy", tuple(GUARD)), Choice("guard", (SAME, OTHER))
        super().__init__("mobilenet_v3_digits_policies", [*self._architectures.choices, policy, guard], [])

    def decode(self, genes: Genes) -> Architecture:
        """The architecture of one gene vector of shape (d,), the policy as one more stage."""
        values = self.decode_values(genes)
        inner = self._architectures.decode(genes[:-2])
        policy = (OperatorBlock(str(values["policy"])), OperatorBlock(str(values["guard"])))
        return Architecture(self.name, inner.resolution, (*inner.stages, policy))

    def encode(self, architecture: Architecture) -> Genes:
        """The canonical gene vector, shape (d,), of an architecture of this space."""
        self.check(architecture)
        inner = Architecture(self._architectures.name, architecture.resolution, architecture.stages[:-1])
        names = [block.operator for block in architecture.stages[-1] if isinstance(block, OperatorBlock)]
        policy = [choice.values.index(name) for choice, name in zip(self.choices[-2:], names, strict=True)]
        return np.concatenate([self._architectures.encode(inner), policy]).astype(np.int16)


@dataclass(frozen=True)
class Table:
    """The measurements of all candidates.

    Attributes:
        space: Of the candidates.
        genes: Shape (n, d).
        values: Accuracy in percent, latency_ms and weight_bytes, shape (n, 3).
    """

    space: JointSpace
    genes: Genes
    values: FloatArray

    @staticmethod
    @cache
    def load(path: Path) -> Table:
        """Reads what `digits_table.py` wrote."""
        if not path.exists():
            raise SystemExit(f"no table at {path}; make it by benchmarks/digits_table.py")
        stored = pd.read_parquet(path)
        space = JointSpace(DigitsUnderPolicies())
        stored["policy"] = stored["policy"].map(list(GUARD).index)
        stored["guard"] = stored["guard"].map([SAME, OTHER].index)
        # of all images that were held out: the fewer judge 28,224 networks, the more the best of them are lucky
        data = load_images("digits")
        counts = np.array([len(data.validation), len(data.test)])
        stored["accuracy"] = stored[["accuracy", "test_accuracy"]].to_numpy() @ (counts / counts.sum())
        genes = stored[[gene.name for gene in space.genes]].to_numpy(dtype=np.int16)
        return Table(space, genes, stored[list(METRIC_NAMES)].to_numpy(dtype=float))

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Accuracy, which searchers must learn, and exact latency and size."""

        def looked_up(population: Population, column: int) -> FloatArray:
            return self.values[self.rows(population), column]

        return tuple(
            Objective(METRICS[name], partial(looked_up, column=column), exact=column > 0)
            for column, name in enumerate(METRIC_NAMES)
        )

    def rows(self, population: Population) -> IntArray:
        """The row of each candidate, shape (k,)."""
        return self._row_of[self._codes(population.genes)]

    @cached_property
    def _row_of(self) -> IntArray:
        rows = np.full(np.prod(self.space.cardinalities), -1)
        rows[self._codes(self.genes)] = np.arange(len(self.genes))
        return rows

    def _codes(self, genes: Genes) -> IntArray:
        return np.ravel_multi_index(tuple(genes.T.astype(np.int64)), tuple(self.space.cardinalities))


@dataclass(frozen=True)
class Judge:
    """What a set of evaluated candidates is worth.

    Attributes:
        table: The measurements.
        front: Values of the exact front, shape (k, 3).
    """

    table: Table
    front: FloatArray

    @staticmethod
    def of(table: Table) -> Judge:
        return Judge(table, table.values[non_dominated(compute_costs(table.objectives, table.values))])

    def share(self, values: FloatArray) -> float:
        """Hypervolume over that of the exact front, against the worst values on that front."""
        front = compute_costs(self.table.objectives, self.front)
        worst = front.max(axis=0)
        return hypervolume(compute_costs(self.table.objectives, values), worst) / hypervolume(front, worst)

    def regrets(self, values: FloatArray) -> dict[str, float]:
        """Accuracy lost to the best there is, in points, anywhere and under limits of latency and size."""
        limits: dict[str, tuple[float, float]] = {"accurate end": (np.inf, np.inf)}
        for name, percent in {"fast end": 5, **BETWEEN}.items():
            limits[name] = (float(np.percentile(self.front[:, 1], percent)), np.inf)
        limits["small end"] = (np.inf, float(np.percentile(self.front[:, 2], 5)))
        return {name: _best(self.table.values, limit) - _best(values, limit) for name, limit in limits.items()}


def _best(values: FloatArray, limit: tuple[float, float]) -> float:
    kept = values[(values[:, 1] <= limit[0]) & (values[:, 2] <= limit[1]), 0]
    return float(kept.max(initial=CHANCE))


def search(path: Path, name: str, seed: int, kept: Path) -> None:
    """Stores the rows of the table that a searcher evaluates, in order."""
    table = Table.load(path)
    made = create_searcher(name, SearchProblem(table.space, table.objectives), seed)
    found: list[IntArray] = []
    while sum(len(rows) for rows in found) < BUDGETS[-1] and len(population := made.ask(made.batch)):
        rows = table.rows(population)
        made.tell(population, compute_costs(table.objectives, table.values[rows]), np.zeros(len(rows)))
        found.append(rows)
    with atomic_write(kept) as draft, draft.open("wb") as file:
        np.save(file, np.concatenate(found)[: BUDGETS[-1]])


def finished(options: argparse.Namespace) -> dict[str, list[FloatArray]]:
    """The values that every searcher found, one array of shape (200, 3) per seed; what is missing is searched."""
    options.folder.mkdir(parents=True, exist_ok=True)
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # read where workers load this file
    files = {
        name: [options.folder / f"{name}-{seed}.npy" for seed in range(options.seeds)] for name in options.searchers
    }
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn"), prepare_worker) as pool:
        waiting = [
            pool.submit(search, options.table, name, seed, path)
            for name, paths in files.items()
            for seed, path in enumerate(paths)
            if not path.exists()
        ]
        for done in waiting:
            done.result()
    values = Table.load(options.table).values
    return {name: [values[np.load(path)] for path in paths] for name, paths in files.items()}


def report(judge: Judge, found: dict[str, list[FloatArray]], seeds: str) -> None:
    """Prints a row per searcher and budget, and the regrets."""
    lines = []
    for name, runs in found.items():
        for budget in BUDGETS:
            shares = [judge.share(values[:budget]) for values in runs]
            mean, half = estimate_interval95(shares)
            what = f"Digits, measured, share of the exact front's hypervolume, `{name}`, {budget} evaluations"
            print(row(f"{what}; mean {mean:.4f} ± {half:.4f}", shares, "{:.4f}", seeds, COMMAND), flush=True)
            regrets = pd.DataFrame([judge.regrets(values[:budget]) for values in runs])
            lines.append((name, budget, regrets))
    titles = list(lines[0][2].columns)
    print(f"\n| Searcher | Evaluations | {' | '.join(titles)} |\n|{'---|' * (len(titles) + 2)}")
    for name, budget, regrets in lines:
        cells = ["{:.2f} ± {:.2f}".format(*estimate_interval95(regrets[title].tolist())) for title in titles]
        print(f"| `{name}` | {budget} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--folder", type=Path, default=Path("runs/live_digits"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--searchers", nargs="+", default=SEARCHERS)
    options = parser.parse_args()
    report(Judge.of(Table.load(options.table)), finished(options), f"0 to {options.seeds - 1}")


if __name__ == "__main__":
    main()
