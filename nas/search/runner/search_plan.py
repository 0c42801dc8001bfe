"""What a search is to do, as a value, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from nas.objectives import FloatArray
from nas.search.protocol.outlook import Outlook
from nas.search.protocol.problem import SearchProblem
from nas.search.protocol.search_method import SearchMethod
from results.evaluation import RunRecord, Source
from search_spaces.population import Population


@dataclass(frozen=True)
class SearchResult:
    """Candidates that were evaluated in full, and what came of it.

    Attributes:
        population: The candidates, in the order in which they were asked for, n of them.
        values: In natural units, shape (n, m), one column per objective of the search.
        outlook: What as many evaluations again would bring; None where the method does not foresee that.
    """

    population: Population
    values: FloatArray
    outlook: Outlook | None = None

    def __len__(self) -> int:
        return len(self.population)


@dataclass(frozen=True)
class Dispatch:
    """How candidates are handed out to be evaluated.

    Attributes:
        batch: Candidates per ask, all of which are told before the next ask; None is what serves the searcher best.
            Part of the identity of a run.
        in_flight: Candidates that are asked and not told yet. If given, there are no batches: each candidate is told as
            soon as it is evaluated, and another is asked. Part of the identity of a run, while the number of workers
            is not.
        chunk: Candidates that are evaluated and stored at a time, where no objective is measured one by one. What a
            kill costs at most; not part of the identity of a run.

    Raises:
        ValueError: If a number is below 1, or both batches and a number in flight are given.
    """

    batch: int | None = None
    in_flight: int | None = None
    chunk: int = 100

    def __post_init__(self) -> None:
        for name, count in (("batch", self.batch), ("in_flight", self.in_flight), ("chunk", self.chunk)):
            if count is not None and count < 1:
                raise ValueError(f"a search needs {name} of 1 or more candidates, got {count}")
        if self.batch is not None and self.in_flight is not None:
            raise ValueError(f"a search asks in batches or keeps candidates in flight, got {self}; give one of the two")


@dataclass(frozen=True)
class SearchPlan:
    """Everything that decides what a search does; carried out again, it goes on where it was stopped.

    Attributes:
        problem: What is searched.
        method: By which searcher.
        record: The run; its seed is that of the searcher.
        budget: Evaluations in full, stored ones included; a run goes on with a larger budget.
        source: How the values come about, as it is stored with them.
        known: Candidates that were evaluated before, and their values: the searcher is told them first. They are part
            of the identity of the run, and not of its result.
        stop_gain: Ends the search before its budget, once the gain of going on is expected to be below this share of
            the volume of the front, even at the upper end of its interval; None spends the budget.
        dispatch: How candidates are handed out.

    Raises:
        ValueError: If the budget is not positive, the method cannot search the problem, or it foresees nothing and is
            to stop by it.
    """

    problem: SearchProblem
    method: SearchMethod
    record: RunRecord
    budget: int
    source: Source = "measured"
    known: SearchResult | None = None
    stop_gain: float | None = None
    dispatch: Dispatch = field(default_factory=Dispatch)

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise ValueError(f"a search needs a budget of 1 or more evaluations, got {self.budget}")
        self.method.check(self.problem)
        if self.stop_gain is not None and not self.method.foresees:
            raise ValueError(
                f"stop_gain needs a method that foresees what going on gains, such as Linas, got {self.method}"
            )
