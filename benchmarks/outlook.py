"""What a search expects of going on against what came, and what is lost where it stops by that.

In: the reference data. Out: rows of the table in `README.md`. After every round LINAS forecasts the gain in hypervolume
of as many evaluations again; the search goes on, and the forecast is held against what they brought. A search would
stop once the upper end of the forecast is below a gain; its volume then is held against that of three times the
evaluations.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nasbench201 import DEVICES, read_comparison, write_comparison
from ofa_surrogate import make_comparison as make_ofa_comparison
from report import row

from nas.objectives import FloatArray, compute_costs, compute_violations
from nas.search.comparison import Comparison
from nas.search.protocol.outlook import Outlook
from nas.search.registry import create_searcher
from nas.search.surrogate.gain_forecast import find_volume_reference
from results.pareto import hypervolume

GAINS = (0.005, 0.01, 0.02)  # shares at which a search stops
EVALUATIONS = 600  # of every search, so those that stop within a third of them are judged
COMMAND = "python benchmarks/outlook.py"


@dataclass(frozen=True)
class Course:
    """A search of LINAS: its costs, shape (n, m), and what it foresaw after so many evaluations."""

    costs: FloatArray
    outlooks: list[tuple[int, Outlook]]

    def come(self, told: int, evaluations: int) -> float:
        """By what share so many evaluations more raised the volume."""
        before, after = self.costs[:told], self.costs[: told + evaluations]
        reference = find_volume_reference(before)
        return hypervolume(after, reference) / hypervolume(before, reference) - 1.0

    def settled(self) -> Iterator[tuple[Outlook, float]]:
        """Forecasts whose evaluations were made, and what came."""
        for told, outlook in self.outlooks:
            if told + outlook.evaluations <= len(self.costs):
                yield outlook, self.come(told, outlook.evaluations)

    def stop(self, gain: float) -> int | None:
        """After how many evaluations, a third of all at most, the search would have stopped."""
        last = len(self.costs) // 3
        return next((told for told, outlook in self.outlooks if outlook.high < gain and told <= last), None)


def course(comparison: Comparison, seed: int) -> Course:
    """A search that nothing stops."""
    objectives = comparison.problem.objectives
    made, found, outlooks = create_searcher("linas", comparison.problem, seed), [], []
    told = 0
    while told < EVALUATIONS:
        outlook = made.forecast(made.batch)
        if outlook is not None:
            outlooks.append((told, outlook))
        population = made.ask(made.batch)
        if len(population) == 0:
            break
        values = np.column_stack([objective.evaluate(population) for objective in objectives])
        made.tell(population, compute_costs(objectives, values), compute_violations(objectives, values))
        found.append(compute_costs(objectives, values))
        told += len(population)
    return Course(np.concatenate(found), outlooks)


def make_comparisons(data: Path, folder: Path) -> dict[str, list[Comparison]]:
    """What is searched."""
    cells = [write_comparison(data / "nasbench201", device, folder, 2, ["linas"]) for device in DEVICES]
    tables = [read_comparison(path) for path in cells]
    return {"NAS-Bench-201, 3 devices": tables, "OFA surrogate": [make_ofa_comparison(data)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    seeds = f"0 to {options.seeds - 1}"
    with tempfile.TemporaryDirectory() as folder:
        for name, problems in make_comparisons(options.data, Path(folder)).items():
            courses = [course(comparison, seed) for comparison in problems for seed in range(options.seeds)]
            pairs = [list(one.settled()) for one in courses]
            inside = [100 * float(np.mean([o.low <= came <= o.high for o, came in some])) for some in pairs if some]
            what = f"{name}, rounds whose forecast held what came of as many evaluations again: at least 67 %"
            print(row(f"{what}; mean {np.mean(inside):.0f} %", inside, "{:.0f} %", seeds, COMMAND))
            for title, pick in (("expected", lambda o, _: o.gain), ("that came", lambda _, came: came)):
                gains = [100 * float(np.mean([pick(o, came) for o, came in some])) for some in pairs if some]
                print(row(f"{name}, mean gain {title}", gains, "{:.2f} %", seeds, COMMAND))
            for gain in GAINS:
                stopped = [(one, stop) for one in courses if (stop := one.stop(gain)) is not None]
                kept = [100 / (1 + one.come(stop, 2 * stop)) for one, stop in stopped]
                stops = f"{len(stopped)} of {len(courses)} searches stopped by {EVALUATIONS // 3}"
                if kept:
                    what = f"{name}, volume where it stops by {gain:.1%}, of that of three times as many: at least 99 %"
                    print(row(f"{what}; {stops}", kept, "{:.2f} %", seeds, COMMAND), flush=True)
                else:
                    print(f"{name}, {gain:.1%}: {stops}", flush=True)


if __name__ == "__main__":
    main()
