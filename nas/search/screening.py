"""Screening: a cheap look at many candidates decides which are evaluated in full.

In: cheaper objectives. Out: `Screening` for the loop, and the contract of searchers that make use of it. Knows no
metric.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from nas.objectives import FloatArray, Objective
from nas.search.searcher import Searcher
from results.evaluation import RunRecord
from search_spaces.population import Population


@dataclass(frozen=True)
class Screening:
    """The cheap look.

    Attributes:
        objectives: Those of the search, in the same order, evaluated more cheaply.
        ratio: How many candidates are screened for each that is evaluated in full.
        record: The run under which the outcomes are kept; not that of the search.
        fidelity: Share of a full measurement that the look takes.

    Raises:
        ValueError: If the ratio is below 1.
    """

    objectives: tuple[Objective, ...]
    ratio: int
    record: RunRecord
    fidelity: float

    def __post_init__(self) -> None:
        if self.ratio < 1:
            raise ValueError(f"a screening looks at 1 or more candidates for each evaluation, got {self.ratio}")

    def check(self, objectives: Sequence[Objective], record: RunRecord) -> None:
        """Raises ValueError unless it belongs to a search by these objectives, and has a run of its own."""
        wanted, given = ([one.metric.name for one in some] for some in (objectives, self.objectives))
        if wanted != given:
            raise ValueError(f"a screening needs the objectives of its search, {wanted}, got {given}")
        if self.record.run == record.run:
            raise ValueError(f"a screening needs a run of its own, got that of its search, {record.run!r}")


class ScreeningSearcher(Searcher):
    """A searcher that also says what to screen. What it asks for was screened, as far as anything was."""

    @abstractmethod
    def screen(self, n: int) -> Population:
        """The next `n` candidates to screen; none that was screened or asked before."""

    @abstractmethod
    def tell_screened(self, population: Population, costs: FloatArray) -> None:
        """Reports the outcome of screened candidates: cheap costs, shape (n, m)."""
