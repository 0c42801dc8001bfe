"""Contests on a table of networks.

In: a table, and the names of its columns. Out: the contest. Knows no searcher.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nas.jobs.files.comparison_file import BenchFile, Finite, Place
from nas.jobs.files.section import Section
from nas.objectives import FloatArray, Objective
from nas.search.comparison import Comparison
from nas.search.protocol.problem import SearchProblem
from results.metric import METRICS, Metric
from search_spaces.families.cell import Cell
from search_spaces.families.tabular import TabularSpace
from search_spaces.joint_space import JointSpace
from search_spaces.population import Population


class CellSection(Section):
    """How genes are wired that are operators on the edges of a cell; see `search_spaces.families.cell`."""

    edges: list[Annotated[list[int], Field(min_length=2, max_length=2)]]
    zero: str | None = None

    @model_validator(mode="after")
    def _wired(self) -> CellSection:
        self.cell()
        return self

    def cell(self) -> Cell:
        """As a value."""
        return Cell(tuple((first, last) for first, last in self.edges), self.zero)


class TableBench(BenchFile):
    """Searchers on a table of networks.

    `objectives` names columns of the table and says which way is better. With `limits`, only networks that keep them
    count. With `cell`, predictors see the paths of a cell, too.
    """

    table: str
    genes: list[str]
    cell: CellSection | None = None
    objectives: dict[str, Literal["minimize", "maximize"]]
    limits: dict[str, Finite] = {}

    @model_validator(mode="after")
    def _belongs_together(self) -> TableBench:
        self.check(list(self.objectives))
        for name in self.limits:
            if name not in self.objectives:
                raise ValueError(f"limits.{name} must limit one of the objectives {list(self.objectives)}")
        return self

    def inputs(self, place: Place) -> list[Path]:
        """The table."""
        return [place.folder / self.table]

    def contest(self, place: Place) -> Comparison:
        """What is compared; the table is looked for beside the file.

        Raises:
            ValueError: If the table is no complete table of networks, or lacks a column.
            OSError: If it cannot be read.
        """
        import pandas as pd

        if place.data is not None:
            raise ValueError(f"--data is for contests on a job; this one is on the table {self.table}")
        table = pd.read_csv(place.folder / self.table)
        lacking = [name for name in self.objectives if name not in table.columns]
        if lacking:
            raise ValueError(f"{self.table} lacks the columns {lacking}; it has {list(table.columns)}")
        networks = TabularSpace(self.name, table, self.genes, self.cell.cell() if self.cell else None)

        def column(name: str) -> Objective:
            known = METRICS[name] if name in METRICS else Metric(name, "", self.objectives[name] == "maximize")
            if known.maximize != (self.objectives[name] == "maximize"):
                better = "more" if known.maximize else "less"
                raise ValueError(f"of {name}, {better} is better everywhere in this program; rename the column")

            def values(population: Population) -> FloatArray:
                return networks.column(population, name)

            return Objective(known, values, self.limits.get(name))

        objectives = tuple(column(name) for name in self.objectives)
        reference = tuple(self.reference[name] for name in self.objectives)
        return Comparison(SearchProblem(JointSpace(networks), objectives), reference, tuple(self.budgets))
