"""The file of a contest: what searchers are compared on, strict and typed.

In: a YAML file. Out: what all contests have in common; the kinds are `table_bench` and `live_bench`. Knows no
searcher's inside.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from nas.jobs.files.section import Section
from nas.search.comparison import Comparison
from nas.search.registry import SEARCHERS, check_objectives

Count = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Place:
    """Where a contest is held.

    Attributes:
        folder: That of the file; other files are looked for beside it.
        runs: That of all runs.
        data: Replaces `data.source` of a job, if given.
    """

    folder: Path
    runs: Path
    data: str | None = None


class BenchFile(Section):
    """Searchers, seeds and budgets. `reference` is the worst value of interest of each objective."""

    name: str
    reference: dict[str, Finite]
    searchers: list[str] = ["linas", "nsga2", "random"]
    budgets: list[Count] = [50, 100, 200]
    seeds: Annotated[int, Field(ge=2)] = 10

    @field_validator("searchers")
    @classmethod
    def _known(cls, searchers: list[str]) -> list[str]:
        if len(set(searchers)) < len(searchers):
            raise ValueError(f"searchers must not repeat, got {searchers}")
        for name in searchers:
            method = SEARCHERS[name]
            if method.uses_low_fidelity or method.needs_leaves:
                raise ValueError(f"searcher {name!r} is told more than the others of a contest are; leave it out")
        return searchers

    def check(self, objectives: list[str]) -> None:
        """Raises ValueError unless references and searchers fit the objectives."""
        if set(self.reference) != set(objectives):
            raise ValueError(f"reference needs a value for each of {objectives}, got {list(self.reference)}")
        for name in self.searchers:
            check_objectives(name, len(objectives))

    @abstractmethod
    def contest(self, place: Place) -> Comparison:
        """What is compared."""

    @abstractmethod
    def inputs(self, place: Place) -> list[Path]:
        """Files on which the outcome depends, besides this one."""
