"""The outcome of a job's search: the front by expected values, and tables of its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.jobs.job_runs import JobRuns
from nas.jobs.stages.expected_values import ExpectedValues
from nas.objectives import FloatArray, Objective
from nas.search.front import Front
from nas.search.runner.failures import FailedCandidate
from results.description import describe
from results.evaluation import Evaluation, RunRecord
from search_spaces.population import Population

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Judged:
    """Candidates, n of them, with their expected values.

    Attributes:
        population: The candidates.
        expected: Expected values of each measured metric, by name.
        values: Values of all objectives, shape (n, m); those of measured metrics are expected values.
        measured: Measured values by name of the metric, shape (n,); empty if the candidates were not measured.
        predicted: Predicted values by name of the metric, shape (n,); empty if there are none.
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
    """The outcome of a job's search.

    Attributes:
        front: The front by expected values.
        table: One row for each candidate of the front; see `Judged.table`.
        points: The same table of all candidates that were evaluated, with their group on the page in `group`.
        record: The run in which the candidates of the front were measured.
        latency_error_percent: Mean error of the table's latencies on whole networks; None if unknown.
        failures: The candidates that could not be evaluated; they are in none of the tables.
    """

    front: Front
    table: pd.DataFrame
    points: pd.DataFrame
    record: RunRecord
    latency_error_percent: float | None
    failures: tuple[FailedCandidate, ...] = ()

    @property
    def measured_names(self) -> list[str]:
        """The measured metrics among the objectives."""
        names = [one.metric.name for one in self.front.objectives]
        return [name for name in names if f"expected_{name}" in self.table]

    def store(self, verify: int, runs: JobRuns) -> None:
        """Stores the expected and measured values of the front as a run of its own, unless they are stored already.

        Args:
            verify: The largest number of candidates that the search section keeps.
            runs: The runs of the job.
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
