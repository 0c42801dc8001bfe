"""What a search of a job found: the front by what is expected, and all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.jobs.job_runs import JobRuns
from nas.jobs.stages.expected_values import ExpectedValues
from nas.objectives import FloatArray, Objective
from nas.search.front import Front
from results.description import describe
from results.evaluation import Evaluation, RunRecord
from search_spaces.population import Population

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Judged:
    """Candidates, n of them, and what each is expected to be.

    Attributes:
        population: The candidates.
        expected: Of every measured metric by name, for these candidates.
        values: Of all objectives, shape (n, m), expected ones of what is measured.
        measured: By name, shape (n,); empty where nothing of them was measured.
        predicted: By name, shape (n,); empty where nothing was predicted of them.
    """

    population: Population
    expected: Mapping[str, ExpectedValues]
    values: FloatArray
    measured: Mapping[str, FloatArray] = field(default_factory=dict)
    predicted: Mapping[str, FloatArray] = field(default_factory=dict)

    def table(self, objectives: tuple[Objective, ...]) -> pd.DataFrame:
        """One row per candidate: key, description, and the columns that follow from the objectives.

        These are, of a measured metric X: expected_X and expected_X_std, and, where they are known, measured_X and
        predicted_X; of any other metric its value under its name. All are in the unit of the metric.

        Args:
            objectives: The m objectives.
        """
        import pandas as pd

        candidates = self.population.candidates
        columns: dict[str, object] = {
            "key": [one.key for one in candidates],
            "description": [describe(one) for one in candidates],
        }
        for column, objective in enumerate(objectives):
            name = objective.metric.name
            if name in self.expected:
                columns[f"expected_{name}"] = self.values[:, column]
                columns[f"expected_{name}_std"] = self.expected[name].std
                columns |= {f"measured_{name}": self.measured[name]} if name in self.measured else {}
                columns |= {f"predicted_{name}": self.predicted[name]} if name in self.predicted else {}
            else:
                columns[name] = self.values[:, column]
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class SearchOutcome:
    """What a search leaves.

    Attributes:
        front: The best by what is expected.
        table: One row for each of the front; see `Judged.table`.
        points: The same of all that was evaluated, each in its group on the page (column `group`).
        record: The run under which the front was measured.
        latency_error_percent: Mean error of table latencies on whole networks; None if unknown.
    """

    front: Front
    table: pd.DataFrame
    points: pd.DataFrame
    record: RunRecord
    latency_error_percent: float | None

    @property
    def measured_names(self) -> list[str]:
        """The measured metrics among the objectives."""
        names = [one.metric.name for one in self.front.objectives]
        return [name for name in names if f"expected_{name}" in self.table]

    def store(self, verify: int, runs: JobRuns) -> None:
        """Stores what the front is expected to be, as a run of its own, unless an earlier start did.

        Args:
            verify: How many candidates were kept.
            runs: Where it is stored.
        """
        inputs = {
            "of": self.record.run,
            "verify": verify,
            "latency_error_percent": self.latency_error_percent,
        }
        record = runs.record("front", inputs, self.record.device)
        rows = self.table.to_dict("records")
        names = [one.metric.name for one in self.front.objectives]
        columns = {name: name for name in names if name not in self.measured_names}
        columns |= {f"expected_{name}": f"expected_{name}" for name in self.measured_names}
        columns |= {name: f"measured_{name}" for name in self.measured_names}
        evaluations = [
            Evaluation(
                candidate,
                {name: float(row[column]) for name, column in columns.items()},
                "expected",
                record.run,
                sequence,
                record.seed,
            )
            for sequence, (candidate, row) in enumerate(zip(self.front.population.candidates, rows, strict=True))
        ]
        runs.store(record, evaluations)
