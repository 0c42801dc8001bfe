"""The ends of a search's front on a trained supernet, against what anybody would try first.

In: a job whose supernet is trained and whose device is profiled (`nas train`, `nas profile`). Out: rows of the table in
`README.md`. The obvious are eight extreme architectures, each under every policy in all layers. The reference of the
hypervolume is 50 %, and what the largest network costs without compression.
Evaluations are kept below the runs' folder: what was stopped goes on. After a change of the searcher keep them as
something else, and hold the new ones against the old ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from report import row
from rich.console import Console

from nas.jobs.console.reporter import Reporter
from nas.jobs.execution import Workers
from nas.jobs.files.job import load_job
from nas.jobs.stages.exact_costs import ExactCosts
from nas.jobs.stages.profile import find_table
from nas.jobs.workspace import Workspace
from nas.objectives import FloatArray, MeasuredEvaluator, Objective
from nas.search.comparison import Comparison
from nas.search.protocol.problem import SearchProblem
from results.database.results_database import ResultsDatabase
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population

LEAST_ACCURACY = 50.0  # percent
SEARCHER, EVALUATIONS = "linas", 120
METRIC_NAMES = ("accuracy", "latency_ms", "weight_bytes")
LEAST, MOST = ("kernel", "depth", "expand", "resolution"), ("depth", "resolution")


def obvious(space: JointSpace) -> Population:
    """The extreme architectures, each with one policy in all layers, the largest without compression first.

    They are not taken from the first design of searches, which is judged by them.
    """
    genes = space.architectures.genes
    dimensions = np.array([gene.dimension for gene in genes])
    largest = space.cardinalities[: len(genes)] - 1
    architectures = [
        largest,
        np.zeros_like(largest),
        *(np.where(dimensions == name, 0, largest) for name in LEAST),
        *(np.where(dimensions == name, largest, 0) for name in MOST),
    ]
    return space.population(
        [np.concatenate([one, policies]) for one in architectures for policies in space.uniform_policies]
    )


def kept(path: Path, seed: int) -> FloatArray:
    """What a search measured, shape (n, 3)."""
    if not path.exists():
        raise SystemExit(f"no searches at {path}; make them with --kept {path.stem}")
    with ResultsDatabase(f"sqlite:///{path}") as database:
        stored = database.evaluations(f"{SEARCHER}/{seed}")
    return np.array([[entry.values[metric] for metric in METRIC_NAMES] for entry in stored])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("--data", default=None)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--kept", default="linas", help="what the searches are kept as")
    parser.add_argument("--against", help="what earlier searches were kept as, which these are held against")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    job = load_job(options.job, options.data)
    with Workspace(job, options.runs, Reporter(Console()), Workers(options.workers)) as workspace:
        subject, table = workspace.subject, find_table(workspace.table_request, workspace.reporter)
        space, costs = subject.space, ExactCosts(subject.space, table)
        folder = options.runs / "live_ends" / f"{subject.checkpoint.parent.name}-{table.path.parent.name}"
        folder.mkdir(parents=True, exist_ok=True)
        with workspace.workers.open_pool() as pool:
            accuracy = Objective(
                METRICS["accuracy"], MeasuredEvaluator(pool.measuring(subject.measurement), "accuracy")
            )
            exact = [costs.objective(name) for name in METRIC_NAMES[1:]]
            tried = obvious(space)
            known = np.column_stack([objective.evaluate(tried) for objective in (accuracy, *exact)])
            reference = (LEAST_ACCURACY, *known[0, 1:].tolist())
            comparison = Comparison(SearchProblem(space, (accuracy, *exact)), reference, (EVALUATIONS,))
            for seed in range(options.seeds):
                comparison.measure_curve(SEARCHER, seed, f"sqlite:///{folder / options.kept}.db")
    names = [name for name in (options.kept, options.against) if name]
    found = {name: [kept(folder / f"{name}.db", seed) for seed in range(options.seeds)] for name in names}
    volumes = {name: np.array([comparison.measure_volume(values) for values in found[name]]) for name in names}
    start = f"`{job.space.name}`, {EVALUATIONS} measurements, `{SEARCHER}`"
    command = f"python benchmarks/live_ends.py {options.job} --data FOLDER"

    def say(what: str, samples: FloatArray, form: str) -> None:
        print(row(f"{start}, {what}", samples.tolist(), form, f"0 to {options.seeds - 1}", command, 1), flush=True)

    for name in names:
        best = np.array([values[:, 0].max() for values in found[name]])
        added = [
            100 * (comparison.measure_volume(np.concatenate([values, known])) / comparison.measure_volume(values) - 1)
            for values in found[name]
        ]
        title = "" if name == options.kept else f" ({name})"
        say(f"best accuracy below that of the largest network{title}: at most 0.3", known[0, 0] - best, "{:.2f} points")
        say(f"hypervolume that {len(known)} obvious candidates add{title}: below 1 %", np.array(added), "{:.2f} %")
    if options.against:
        say(
            f"hypervolume over that of {options.against}: at least 1.2",
            volumes[options.kept] / volumes[options.against],
            "{:.3f}",
        )


if __name__ == "__main__":
    main()
