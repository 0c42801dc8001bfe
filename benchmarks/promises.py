"""What exported networks were promised against what they hold on test images that nothing else has seen.

In: a job, such as `examples/digits.yaml`. Out: rows of the table in `README.md`. The job is carried out with every
seed, of the split of the data too: on one split, all of its networks share the luck of its validation images. Runs that
are finished are not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from report import row
from rich.console import Console

from nas.jobs.console.reporter import Reporter
from nas.jobs.execution import Workers
from nas.jobs.files.job import load_job
from nas.jobs.run import export_job, run_job
from nas.jobs.workspace import Workspace
from nas.search.comparison import estimate_interval95
from results.pages.columns import NORMAL_90


def exported(path: Path, data: str | None, runs: Path, workers: int, seed: int) -> pd.DataFrame:
    """The exported networks of the job with a seed."""
    job = load_job(path, data)
    job = job.model_copy(update={"seed": seed, "data": job.data.model_copy(update={"split_seed": seed})})
    with Workspace(job, runs, Reporter(Console()), Workers(workers)) as workspace:
        run_job(workspace)
        return export_job(workspace).networks


def share_within(networks: pd.DataFrame) -> float:
    """Share of networks whose test accuracy lies in the 90 % interval of what was expected."""
    missed_by = (networks["test_accuracy"] - networks["expected_accuracy"]).abs()
    return float((missed_by <= NORMAL_90 * networks["expected_accuracy_std"]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("--data", default=None)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    given = (options.job, options.data, options.runs, options.workers)
    networks = [exported(*given, seed) for seed in range(options.seeds)]
    command, seeds = f"python benchmarks/promises.py {options.job}", f"0 to {options.seeds - 1}, of the split too"
    for column, target in (("expected_accuracy", ": at most 1.0 in the mean"), ("measured_accuracy", "")):
        gaps = [float((found[column] - found["test_accuracy"]).mean()) for found in networks]
        mean, half = estimate_interval95(gaps)
        what = f"`{options.job.stem}`, {column} over test_accuracy of the exported networks{target}"
        print(row(f"{what}; mean {mean:+.2f} ± {half:.2f}", gaps, "{:+.2f} points", seeds, command, 2))
    held = [100 * share_within(found) for found in networks]
    what = f"`{options.job.stem}`, test_accuracy within the 90 % interval of the new images' accuracy"
    print(row(f"{what}; mean {sum(held) / len(held):.0f} %", held, "{:.0f} %", seeds, command, 2))


if __name__ == "__main__":
    main()
