"""A search plan, which says everything about a search before it starts, and the result of a search."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nas.objectives import FloatArray
from nas.search.protocol.outlook import Outlook
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod
from nas.search.runner.failures import MOST_FAILURES, FailedCandidate
from results.evaluation import RunRecord, Source
from search_spaces.population import Population


@dataclass(frozen=True)
class SearchResult:
    """Candidates that a search evaluated in full, and their values.

    Attributes:
        population: The candidates, in the order in which they were asked for, n of them.
        values: Values in natural units, shape (n, m), one column per objective of the search.
        outlook: The outlook at the end; None if the searcher has none.
        failures: The candidates that could not be evaluated, at any fidelity; they are not among the others.
        exhausted: Whether the searcher had no candidates left before the budget was spent.
        notes: What the searcher left out or could not do, one line each.
    """

    population: Population
    values: FloatArray
    outlook: Outlook | None = None
    failures: tuple[FailedCandidate, ...] = ()
    exhausted: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.population)


@dataclass(frozen=True)
class Dispatch:
    """How many candidates are asked for, evaluated and told at a time.

    Attributes:
        batch: Number of candidates per ask, all of which are told before the next ask; None takes the searcher's own
            `batch`. A run must be continued with the same number, or it asks for other candidates.
        in_flight: Number of candidates that are asked for and not told yet. If given, there are no batches: each
            candidate is told as soon as it is evaluated, and another one is asked for. A run must be continued with
            the same number; the number of workers may change.
        chunk: Number of candidates that are evaluated and stored at a time, if no objective is measured. An interrupted
            process loses at most these. The number may change when a run is continued.

    Raises:
        ValueError: If a number is below 1, or both batches and a number in flight are given.
    """

    batch: int | None = None
    in_flight: int | None = None
    chunk: int = 100

    def __post_init__(self) -> None:
        for name, count in (("batch", self.batch), ("in_flight", self.in_flight), ("chunk", self.chunk)):
            if count is not None and not count >= 1:
                raise ValueError(f"a search needs {name} of 1 or more candidates, got {count}")
        if self.batch is not None and self.in_flight is not None:
            raise ValueError(f"a search asks in batches or keeps candidates in flight, got {self}; give one of the two")


@dataclass(frozen=True)
class SearchPlan:
    """Everything that decides what a search does; to run the same plan again continues an interrupted search.

    Attributes:
        problem: The search problem.
        method: The search method, which creates the searcher.
        record: The run; its seed is that of the searcher.
        budget: Number of evaluations in full, stored ones and failed ones included; a larger budget continues a
            finished run.
        source: The source of the values, as it is stored with them.
        known: Candidates that were evaluated before, and their values: the searcher is told them first. They are not
            part of the result. A run must be continued with the same ones, or it asks for other candidates.
        stop_gain: The search ends before its budget is spent, once the gain of more evaluations is forecast to be below
            this share of the hypervolume of the front, even at the upper end of its interval; None spends the budget.
        dispatch: How many candidates are asked for and evaluated at a time.
        most_failures: Share of the evaluations that may fail, from 0 to 1; the run ends once there are more. If it is
            above 0, one failure is always borne. It may change when a run is continued.

    Raises:
        ValueError: If the budget is not positive, the method cannot search the problem, a known value is not finite,
            `stop_gain` is negative or given for a method without an outlook, or `most_failures` is not from 0 to 1.
    """

    problem: SearchProblem
    method: SearchMethod
    record: RunRecord
    budget: int
    source: Source = "measured"
    known: SearchResult | None = None
    stop_gain: float | None = None
    dispatch: Dispatch = field(default_factory=Dispatch)
    most_failures: float = MOST_FAILURES

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise ValueError(f"a search needs a budget of 1 or more evaluations, got {self.budget}")
        if not 0 <= self.most_failures <= 1:
            raise ValueError(f"most_failures is a share of the evaluations, from 0 to 1, got {self.most_failures}")
        if self.known is not None and not np.isfinite(self.known.values).all():
            raise ValueError("the known values that a search starts from must be finite; leave out other candidates")
        if self.stop_gain is not None and not self.stop_gain >= 0:
            raise ValueError(f"stop_gain is a share of the hypervolume, 0 or more, got {self.stop_gain}")
        self.method.check(self.problem)
        if self.stop_gain is not None and not self.method.has_outlook:
            raise ValueError(
                f"stop_gain needs a method that forecasts the gain of going on, such as Linas, got {self.method}"
            )
