"""Architecture and bits together on a trained supernet, against either alone, at equal numbers of measurements.

In: a job whose supernet is trained and whose device is profiled (`nas train`, `nas profile`). Out: rows of the table in
`README.md`. All are searched by LINAS: (a) architectures, every layer of 8 bits; (b) bits, on the largest architecture;
both at once. The reference of the hypervolume is chance, and what the largest network takes at most where all layers
have the same bits.
Evaluations are kept below the runs' folder: what was stopped goes on.
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
from nas.objectives import MeasuredEvaluator, Objective
from nas.search.comparison import Comparison
from nas.search.protocol.problem import SearchProblem
from results.metric import METRICS
from search_spaces.joint_space import JointSpace
from search_spaces.policy_space import PolicySpace
from search_spaces.restricted_space import RestrictedSpace

BUDGETS = (40, 80, 120)
CASES = ("both at once", "architectures with uniform int8", "bits of the largest architecture")


def spaces(workspace: Workspace) -> list[JointSpace]:
    """What each case searches, in the order of `CASES`."""
    joint = workspace.space
    whole = joint.architectures
    names = sorted({gene.dimension for gene in whole.genes})
    largest = RestrictedSpace(whole, dict.fromkeys(names, "largest 1"))
    return [joint, JointSpace(whole, PolicySpace.parse(["w8a8"])), JointSpace(largest, joint.policies)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Path)
    parser.add_argument("--data", default=None)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    job = load_job(options.job, options.data)
    with Workspace(job, options.runs, Reporter(Console()), Workers(options.workers)) as workspace:
        subject, table = workspace.subject, find_table(workspace.table_request, workspace.reporter)
        searched = spaces(workspace)
        costs = ("latency_ms", "weight_bytes")
        alike = [JointSpace(workspace.space.architectures, PolicySpace.parse([bits])) for bits in job.space.policies]
        largest = workspace.space.encode([space.largest() for space in alike])
        priced = ExactCosts(workspace.space, table)
        worst = [float(priced.objective(name).evaluate(largest).max()) for name in costs]
        kept = options.runs / "live_joint" / f"{subject.checkpoint.parent.name}-{table.path.parent.name}"
        kept.mkdir(parents=True, exist_ok=True)
        volumes = {case: np.empty((options.seeds, len(BUDGETS))) for case in CASES}
        with workspace.workers.open_pool() as pool:
            accuracy = Objective(
                METRICS["accuracy"], MeasuredEvaluator(pool.measuring(subject.measurement), "accuracy")
            )
            for seed in range(options.seeds):
                for case, space in zip(CASES, searched, strict=True):
                    objectives = (accuracy, *(ExactCosts(space, table).objective(name) for name in costs))
                    reference = (100.0 / workspace.data.classes, *worst)
                    comparison = Comparison(SearchProblem(space, objectives), reference, BUDGETS)
                    volumes[case][seed] = comparison.measure_curve("linas", seed, f"sqlite:///{kept / case}.db")
    command = f"python benchmarks/live_joint.py {options.job} --data FOLDER"
    seeds = f"0 to {options.seeds - 1}"
    for other in CASES[1:]:
        for at, budget in enumerate(BUDGETS):
            ratios = (volumes[CASES[0]][:, at] / volumes[other][:, at]).tolist()
            what = f"`{job.space.name}`, {budget} measurements, hypervolume of {CASES[0]} over {other}: above 1"
            print(row(what, ratios, "{:.3f}", seeds, command, 1), flush=True)


if __name__ == "__main__":
    main()
