"""Searchers on NAS-Bench-201: the share of the exact hypervolume of accuracy and latency after so many evaluations.

In: the reference data. Out: rows of the table in `README.md`. Finished runs of searchers are kept in a folder.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from report import row
from rich.console import Console

from nas.jobs.comparison.compare import ComparisonPaths, compare
from nas.jobs.comparison.table_comparison import compare_on_table
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.comparison_file import TableComparisonFile, load_comparison
from nas.search.comparison import Comparison, estimate_interval95

DEVICES = {"eyeriss": 74.8843, "pixel3": 307.1688, "gold_6240": 182.3871}  # the exact hypervolumes
BUDGETS = [50, 100, 200, 500]
TARGETS = {100: 0.965, 200: 0.985, 500: 0.995}  # of the default searcher
SEARCHERS = ["linas", "nsga2", "optuna_tpe", "optuna_nsga2", "random"]
EDGES = [f"edge{number}" for number in range(6)]
CELL = {"edges": [[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]], "zero": "none"}


def write_comparison(data: Path, device: str, folder: Path, seeds: int, searchers: list[str]) -> Path:
    """Writes the table of one device and the file of the comparison of searchers on it."""
    cells = pd.read_csv(data / "accuracy.csv")
    table = pd.DataFrame([re.findall(r"([a-z_0-9]+)~\d", cell) for cell in cells["arch"]], columns=EDGES)
    table["accuracy"] = cells["cifar10_test_200e"]
    table["latency_ms"] = pd.read_csv(data / "latency.csv")[device]
    table.to_csv(folder / f"{device}.csv", index=False)
    content = {
        "name": f"nasbench201-{device}",
        "table": f"{device}.csv",
        "genes": EDGES,
        "cell": CELL,
        "objectives": {"accuracy": "maximize", "latency_ms": "minimize"},
        "reference": {"accuracy": 85.0, "latency_ms": float(table["latency_ms"].max())},
        "searchers": searchers,
        "budgets": BUDGETS,
        "seeds": seeds,
    }
    path = folder / f"{device}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def read_comparison(path: Path) -> Comparison:
    """What a file of `write_comparison` compares."""
    file = load_comparison(path)
    assert isinstance(file, TableComparisonFile)
    return compare_on_table(file, path.parent / file.table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, default=Path("runs/nasbench201"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--searchers", nargs="+", default=SEARCHERS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shares = []
    for device, exact in DEVICES.items():
        path = write_comparison(options.data / "nasbench201", device, options.folder, options.seeds, options.searchers)
        found = compare(ComparisonPaths(path, options.folder), options.workers, Reporter(Console()))
        shares.append(found.assign(hypervolume=found["hypervolume"] / exact))
    means = pd.concat(shares).groupby(["searcher", "evaluations", "seed"])["hypervolume"].mean()  # over the devices
    for name in options.searchers:
        for budget in BUDGETS:
            samples = means[name, budget].to_numpy()
            mean, half = estimate_interval95(samples)
            target = f": at least {TARGETS[budget]}" if name == "linas" and budget in TARGETS else ""
            what = f"NAS-Bench-201, share of the hypervolume, `{name}`, {budget} evaluations{target}"
            seeds = f"0 to {options.seeds - 1}, mean of 3 devices"
            summary = f"{what}; mean {mean:.4f} ± {half:.4f}"
            print(row(summary, np.asarray(samples).tolist(), "{:.4f}", seeds, "python benchmarks/nasbench201.py"))


if __name__ == "__main__":
    main()
