"""Two fidelities on NAS-Bench-201: accuracies after 12 epochs decide which cells are trained for 200.

In: the reference data. Out: a row of the table in `README.md`. An evaluation at the low fidelity costs 12/200
of a full one; it tells the validation accuracy after 12 epochs and the latency.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import pandas as pd
from nasbench201 import DEVICES, read_comparison, write_comparison
from report import row

from nas.objectives import FloatArray
from nas.search.comparison import estimate_interval95
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import SearchPlan
from nas.search.searchers.multi_fidelity import MultiFidelity
from results.database.results_database import ResultsDatabase
from results.evaluation import FULL_FIDELITY, RunRecord
from search_spaces.families.tabular import TabularSpace
from search_spaces.population import Population

COST, RATIO, BATCH = 100, 8, 8
LOW = 12 / 200  # of the cost of a full evaluation
EVALUATIONS = BATCH * int(COST / (BATCH * (1 + RATIO * LOW)))  # in full, in whole batches
COMMAND = "python benchmarks/nasbench201_fidelity.py"


def share(data: Path, device: str, seed: int) -> float:
    """Share of the exact hypervolume after evaluations at both fidelities of that cost."""
    with tempfile.TemporaryDirectory() as folder, ResultsDatabase("sqlite://") as database:
        path = write_comparison(data / "nasbench201", device, Path(folder), 2, ["linas"])
        short = pd.read_csv(data / "nasbench201" / "accuracy.csv")["cifar10_val_12e"]
        pd.read_csv(path.with_suffix(".csv")).assign(short=short).to_csv(path.with_suffix(".csv"), index=False)
        comparison = read_comparison(path)
        accuracy, *others = comparison.problem.objectives
        networks = comparison.problem.space.architectures
        assert isinstance(networks, TabularSpace)

        def at_fidelity(population: Population) -> FloatArray:
            full = population.fidelity == FULL_FIDELITY
            return accuracy.evaluate(population) if full else networks.column(population, "short")

        problem = replace(comparison.problem, objectives=(replace(accuracy, evaluate=at_fidelity), *others))
        plan = SearchPlan(problem, MultiFidelity(LOW, RATIO), RunRecord("run", {}, seed), EVALUATIONS)
        found = run_search(plan, database)
        assert sum(entry.fidelity for entry in database.evaluations("run")) <= COST
    return comparison.measure_volume(found.values) / DEVICES[device]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    pairs = [(device, seed) for seed in range(options.seeds) for device in DEVICES]
    with Pool(options.workers) as pool:
        shares = pool.starmap(partial(share, options.data), pairs, chunksize=1)
    means = np.reshape(shares, (options.seeds, len(DEVICES))).mean(axis=1).tolist()
    mean, half = estimate_interval95(means)
    what = f"NAS-Bench-201, share of the hypervolume, `multi_fidelity` by 12 epochs, cost of {COST}: at least 0.985"
    seeds = f"0 to {options.seeds - 1}, mean of {len(DEVICES)} devices"
    print(row(f"{what}; mean {mean:.4f} ± {half:.4f}", means, "{:.4f}", seeds, COMMAND))


if __name__ == "__main__":
    main()
