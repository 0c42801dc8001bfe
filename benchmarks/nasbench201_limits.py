"""Hard limits on NAS-Bench-201: how far the best network within a latency is from the true best, after 200 evaluations.

In: the reference data. Out: rows of the table in `README.md`.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from nasbench201 import DEVICES, read_comparison, write_comparison
from report import row

from nas.search.comparison import Comparison
from nas.search.registry import SEARCHERS
from nas.search.runner.loop import run_search
from nas.search.runner.search_plan import SearchPlan
from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from search_spaces.population import Population

SHARES = {"a fifth": 0.2, "half": 0.5}  # of the range of latencies
BUDGET = 200
COMMAND = "python benchmarks/nasbench201_limits.py"


def regret(comparison: Comparison, everything: Population, name: str, seed: int) -> float:
    """Points of accuracy between the best feasible network and the best that was found."""
    accuracy, latency = comparison.problem.objectives
    assert latency.limit is not None
    best = accuracy.evaluate(everything)[latency.evaluate(everything) <= latency.limit].max()
    plan = SearchPlan(comparison.problem, SEARCHERS[name](), RunRecord("run", {}, seed), BUDGET)
    with ResultsDatabase("sqlite://") as database:
        found = run_search(plan, database).values
    return float(best - found[found[:, 1] <= latency.limit, 0].max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--searchers", nargs="+", default=["linas", "nsga2", "random"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for what, share in SHARES.items():
            comparisons = []
            for device in DEVICES:
                path = write_comparison(options.data / "nasbench201", device, Path(folder), 2, ["linas"])
                comparison = read_comparison(path)
                accuracy, latency = comparison.problem.objectives
                space = comparison.problem.space
                everything = space.population(np.indices(tuple(space.cardinalities)).reshape(6, -1).T)
                values = latency.evaluate(everything)
                limit = float(values.min() + share * np.ptp(values))
                limited = replace(
                    comparison.problem, objectives=(accuracy, replace(latency, limit=limit, constraint=True))
                )
                comparisons.append(
                    (replace(comparison, problem=limited, reference=comparison.reference[:1]), everything)
                )
            for name in options.searchers:
                regrets = [[regret(*one, name, seed) for one in comparisons] for seed in range(options.seeds)]
                samples = np.mean(regrets, axis=1).tolist()
                target = ": at most 0.15" if name == "linas" else ""
                title = f"NAS-Bench-201, accuracy lost under {what} of the latencies, `{name}`{target}"
                seeds = f"0 to {options.seeds - 1}, mean of 3 devices"
                summary = f"{title}; mean {np.mean(samples):.3f}"
                print(row(summary, samples, "{:.3f} points", seeds, COMMAND), flush=True)


if __name__ == "__main__":
    main()
