"""The file of a contest: what searchers are compared on, strict and typed.

In: a YAML file. Out: a frozen `BenchFile`, and the contest that it describes. Knows no searcher's inside.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from nas.jobs.section import Section, read_section
from nas.objectives import FloatArray, Objective
from nas.search.contest import Contest
from nas.search.problem import SearchProblem
from nas.search.registry import SEARCHERS
from results.metric import METRICS, Metric
from search_spaces.cell import Cell
from search_spaces.joint_space import JointSpace, Population
from search_spaces.tabular import TabularSpace

Count = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class CellSection(Section):
    """How genes are wired that are operators on the edges of a cell; see `search_spaces.cell`."""

    edges: list[Annotated[list[int], Field(min_length=2, max_length=2)]]
    zero: str | None = None

    @model_validator(mode="after")
    def _wired(self) -> CellSection:
        self.cell()
        return self

    def cell(self) -> Cell:
        """As a value."""
        return Cell(tuple((first, last) for first, last in self.edges), self.zero)


class BenchFile(Section):
    """Searchers, seeds and budgets on a table of networks.

    `objectives` names columns of the table and says which way is better; `reference` is the worst value of interest of
    each, from which the hypervolume is counted. With `limits`, only networks that keep them count. With `cell`,
    predictors see the paths of a cell, too.
    """

    name: str
    table: str
    genes: list[str]
    cell: CellSection | None = None
    objectives: dict[str, Literal["minimize", "maximize"]]
    reference: dict[str, Finite]
    limits: dict[str, Finite] = {}
    searchers: list[str] = ["linas", "nsga2", "random"]
    budgets: list[Count] = [50, 100, 200]
    seeds: Annotated[int, Field(ge=2)] = 10

    @field_validator("searchers")
    @classmethod
    def _known(cls, searchers: list[str]) -> list[str]:
        for name in searchers:
            if name not in SEARCHERS:
                raise ValueError(f"unknown searcher {name!r}; known searchers: {', '.join(SEARCHERS)}")
            if SEARCHERS[name].screens or SEARCHERS[name].of_leaves:
                raise ValueError(f"searcher {name!r} needs a supernet; a table has neither screening nor leaves")
        return searchers

    @model_validator(mode="after")
    def _belongs_together(self) -> BenchFile:
        if set(self.reference) != set(self.objectives):
            raise ValueError(f"reference needs a value for each of {list(self.objectives)}, got {list(self.reference)}")
        for name in self.limits:
            if name not in self.objectives:
                raise ValueError(f"limits.{name} must limit one of the objectives {list(self.objectives)}")
        for name in self.searchers:
            SEARCHERS[name].check(name, len(self.objectives))
        return self

    def contest(self, folder: Path) -> Contest:
        """What is compared; the table is looked for beside the file.

        Raises:
            ValueError: If the table is no complete table of networks, or lacks a column.
            OSError: If it cannot be read.
        """
        import pandas as pd

        table = pd.read_csv(folder / self.table)
        lacking = [name for name in self.objectives if name not in table.columns]
        if lacking:
            raise ValueError(f"{self.table} lacks the columns {lacking}; it has {list(table.columns)}")
        networks = TabularSpace(self.name, table, self.genes, self.cell.cell() if self.cell else None)

        def column(name: str) -> Objective:
            known = METRICS.get(name, Metric(name, "", self.objectives[name] == "maximize"))
            if known.maximize != (self.objectives[name] == "maximize"):
                better = "more" if known.maximize else "less"
                raise ValueError(f"of {name}, {better} is better everywhere in this program; rename the column")

            def values(population: Population) -> FloatArray:
                return networks.column(population, name)

            return Objective(known, values, self.limits.get(name))

        objectives = tuple(column(name) for name in self.objectives)
        reference = tuple(self.reference[name] for name in self.objectives)
        return Contest(SearchProblem(JointSpace(networks), objectives), reference, tuple(self.budgets))


def load_bench(path: Path) -> BenchFile:
    """Reads the file of a contest.

    Raises:
        ValueError: In one line: what is wrong, where, and what would do.
    """
    return read_section(path, BenchFile)
