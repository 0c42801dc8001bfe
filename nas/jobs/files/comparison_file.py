"""The file of a comparison of searchers: on a table of networks, or on the trained supernet of a job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from nas.jobs.files.bounds import MOST_LISTED, MOST_NODES, MOST_OBJECTIVES, MOST_SEEDS, Evaluations, Finite
from nas.jobs.files.section import Section, check_folder_name, read_section
from nas.jobs.files.yaml_file import read_yaml
from nas.search.registry import SEARCHERS, check_objectives
from search_spaces.families.cell import Cell

Node = Annotated[int, Field(ge=0, lt=MOST_NODES)]


def check_distinct(names: list[str]) -> list[str]:
    """The names, of which there must be one or more, each once.

    Raises:
        ValueError: If there is none, or one is there twice.
    """
    if not names or len(set(names)) < len(names):
        raise ValueError(f"must be one or more names, each once, got {names}")
    return names


class ComparisonFile(Section):
    """Searchers, seeds and budgets. `reference` is the worst value of interest of each objective."""

    name: str
    reference: Annotated[dict[str, Finite], Field(max_length=MOST_OBJECTIVES)]
    searchers: Annotated[list[str], Field(max_length=MOST_LISTED)] = ["linas", "nsga2", "random"]
    budgets: Annotated[list[Evaluations], Field(min_length=1, max_length=MOST_LISTED)] = [50, 100, 200]
    seeds: Annotated[int, Field(ge=2, le=MOST_SEEDS)] = 10

    @field_validator("name")
    @classmethod
    def _is_a_folder_name(cls, name: str) -> str:
        return check_folder_name(name)

    @field_validator("budgets")
    @classmethod
    def _rise(cls, budgets: list[int]) -> list[int]:
        if budgets != sorted(set(budgets)):
            raise ValueError(f"must be rising numbers, got {budgets}")
        return budgets

    @field_validator("searchers")
    @classmethod
    def _are_comparable(cls, searchers: list[str]) -> list[str]:
        check_distinct(searchers)
        for name in searchers:
            method = SEARCHERS[name]
            if method.uses_low_fidelity or method.needs_leaves or method().damage_metric is not None:
                raise ValueError(f"searcher {name!r} is told more than the others of a comparison are; leave it out")
        return searchers

    def check(self, objectives: list[str]) -> None:
        """Makes sure that references and searchers fit the objectives.

        Raises:
            ValueError: If they do not.
        """
        if set(self.reference) != set(objectives):
            raise ValueError(f"reference needs a value for each of {objectives}, got {list(self.reference)}")
        for name in self.searchers:
            check_objectives(name, len(objectives))


class CellSection(Section):
    """How genes are wired that are operators on the edges of a cell; see `search_spaces.families.cell`."""

    edges: Annotated[list[Annotated[list[Node], Field(min_length=2, max_length=2)]], Field(max_length=MOST_LISTED)]
    zero: str | None = None

    @model_validator(mode="after")
    def _wired(self) -> CellSection:
        self.cell()
        return self

    def cell(self) -> Cell:
        """As a value."""
        return Cell(tuple((first, last) for first, last in self.edges), self.zero)


class TableComparisonFile(ComparisonFile):
    """Searchers on a table of networks.

    `objectives` names columns of the table and says which way is better. With `limits`, only networks that keep them
    count. With `cell`, predictors see the paths of a cell, too.
    """

    table: str
    genes: Annotated[list[str], Field(max_length=MOST_LISTED)]
    cell: CellSection | None = None
    objectives: Annotated[dict[str, Literal["minimize", "maximize"]], Field(max_length=MOST_OBJECTIVES)]
    limits: Annotated[dict[str, Finite], Field(max_length=MOST_OBJECTIVES)] = {}

    @field_validator("genes")
    @classmethod
    def _are_columns(cls, genes: list[str]) -> list[str]:
        return check_distinct(genes)

    @model_validator(mode="after")
    def _belongs_together(self) -> TableComparisonFile:
        check_distinct(list(self.objectives))
        self.check(list(self.objectives))
        for name in self.limits:
            if name not in self.objectives:
                raise ValueError(f"limits.{name} must limit one of the objectives {list(self.objectives)}")
        return self


class JobComparisonFile(ComparisonFile):
    """Searchers on a supernet, by the objectives and limits of its job's search; latencies are those of its table."""

    job: str


def load_comparison(path: Path) -> TableComparisonFile | JobComparisonFile:
    """Reads the file of a comparison: on the supernet of a job, if it names one, else on a table.

    Raises:
        ValueError: In one line: what is wrong, where, and what would do.
    """
    document = read_yaml(path)
    if isinstance(document, dict) and "job" in document:
        return read_section(path, JobComparisonFile)
    return read_section(path, TableComparisonFile)
