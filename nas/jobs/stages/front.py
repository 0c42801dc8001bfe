"""The front that a search found: candidates whose accuracy is measured, and what is known of them.

In: measured values. Out: `VerifiedFront`, and choices of rows from a front. Knows no searcher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.objectives import (
    FloatArray,
    NothingFeasible,
    Objective,
    clip_to_constraints,
    costs,
    infeasibility_message,
    violations,
)
from results.evaluation import Evaluation
from results.pareto import non_dominated
from search_spaces.population import Population


@dataclass(frozen=True)
class VerifiedFront:
    """Candidates of the predicted front, and what is known of each; arrays of shape (n,).

    Attributes:
        device: Where the latencies hold.
        latency_error_percent: Mean error of table latencies on networks that were held out; None if unknown.
        search_run: Database run of the search.
        run: Database run of the measured accuracies.
        population: The candidates.
        predicted_accuracy: Percent, by the predictor; None if the search measured it.
        measured_accuracy: Percent of the validation images, on the supernet.
        expected_accuracy: Percent of new images, given all measurements; see `nas.jobs.stages.expected_accuracy`.
        accuracy_std: Standard deviation of the accuracy on new images around it.
        latency_ms: Calibrated table latency.
        weight_bytes: Size of the compressed weights.
        others: What else the search was asked for, by metric.
        best: Whether a candidate stays on the front, within all limits, with its expected accuracy.
        searched_accuracy: Expected accuracy of all that the search evaluated, in the order of its run; None if the
            search knew predictions only, which are expectations themselves.
    """

    device: str
    latency_error_percent: float | None
    search_run: str
    run: str
    population: Population
    predicted_accuracy: FloatArray | None
    measured_accuracy: FloatArray
    expected_accuracy: FloatArray
    accuracy_std: FloatArray
    latency_ms: FloatArray
    weight_bytes: FloatArray
    others: Mapping[str, FloatArray]
    best: NDArray[np.bool_]
    searched_accuracy: FloatArray | None = None

    def evaluations(self, run: str, seed: int) -> list[Evaluation]:
        """What the front's best are expected to be, as evaluations of a run of their own."""
        columns = {
            "expected_accuracy": self.expected_accuracy,
            "accuracy": self.measured_accuracy,
            "latency_ms": self.latency_ms,
            "weight_bytes": self.weight_bytes,
            **self.others,
        }
        return [
            Evaluation(
                self.population[row],
                {name: float(column[row]) for name, column in columns.items()},
                "expected",
                run,
                sequence,
                seed,
            )
            for sequence, row in enumerate(np.flatnonzero(self.best).tolist())
        ]


def feasible_front(objectives: list[Objective], values: FloatArray) -> NDArray[np.int64]:
    """Rows of values, shape (n, m), that keep all limits and that no other such row beats; best of the first first.

    Raises:
        NothingFeasible: If no row keeps the limits.
    """
    feasible = np.flatnonzero(violations(objectives, values) == 0)
    if not len(feasible):
        raise NothingFeasible(
            f"by the accuracy that all measurements let expect, {infeasibility_message(objectives, values)}"
        )
    found = clip_to_constraints(objectives, costs(objectives, values))
    front = feasible[non_dominated(found[feasible])]
    return front[np.lexsort(found[front].T[::-1])]


def thinned_front(objectives: list[Objective], values: FloatArray, count: int) -> NDArray[np.int64]:
    """Up to `count` rows of the front of values, shape (n, m), within all limits: its ends, and others between them.

    A front in three objectives has ends that lie in the middle of any one order; evenly spaced rows would lose them.

    Raises:
        NothingFeasible: If no row keeps the limits.
    """
    front = feasible_front(objectives, values)
    found = clip_to_constraints(objectives, costs(objectives, values))[front]
    ends = list(dict.fromkeys(found.argmin(axis=0).tolist()))[:count]
    others = np.setdiff1d(np.arange(len(front)), ends)
    spaced = np.linspace(0, len(others) - 1, min(count - len(ends), len(others))).round().astype(int)
    return front[np.sort(np.concatenate([np.array(ends, dtype=np.int64), others[spaced]]))]


def other_costs(objectives: list[Objective], candidates: Population) -> dict[str, FloatArray]:
    """Values of candidates by metric, of all objectives but accuracy, latency and size, which every front has."""
    common = ("accuracy", "latency_ms", "weight_bytes")
    return {o.metric.name: o.evaluate(candidates) for o in objectives if o.metric.name not in common}


def valued(objectives: list[Objective], candidates: Population, accuracy: FloatArray) -> FloatArray:
    """Values of candidates, shape (n, m), with their accuracies of shape (n,) given."""
    columns = [accuracy if o.metric.name == "accuracy" else o.evaluate(candidates) for o in objectives]
    return np.column_stack(columns)
