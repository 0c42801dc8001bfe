"""Spaces given as a table: one row per network, one column per gene. Their networks have no layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.choices import Choice, Value
from search_spaces.families.cell import Cell
from search_spaces.population import Population
from search_spaces.search_space import Genes, SearchSpace

if TYPE_CHECKING:
    import pandas as pd

_MOST_VALUES = 32_767  # of one gene: genes are 16-bit integers


class TabularSpace(SearchSpace):
    """Every combination of the values that the gene columns of a table hold.

    Args:
        name: Name of the space.
        table: One row per network; every combination of gene values must be there once.
        genes: Names of the gene columns; their cells are numbers or text.
        cell: The cell on whose edges the genes choose operators; None if the genes are something else.

    Raises:
        ValueError: If a gene is named twice or not at all, its column is missing, holds something else than numbers or
            text of one kind, or has more than 32,767 values; if a combination is missing or there twice, the cell has
            more or fewer edges than there are genes, or its operator `zero` is in no gene column.
    """

    def __init__(self, name: str, table: pd.DataFrame, genes: Sequence[str], cell: Cell | None = None) -> None:
        genes = list(genes)
        absent = [gene for gene in genes if gene not in table.columns]
        if absent:
            raise ValueError(f"the table of space {name!r} lacks the columns {absent}; it has {list(table.columns)}")
        if not genes or len(set(genes)) < len(genes):
            raise ValueError(f"space {name!r} needs one or more genes, each once, got {genes}")
        super().__init__(name, [Choice(gene, _list_values(table[gene])) for gene in genes], [])
        combinations = prod(len(choice.values) for choice in self.choices)
        if len(table) != combinations:  # also where there are too many to be numbered below
            raise ValueError(
                f"the table of space {name!r} must list each of {combinations} combinations once, got {len(table)} rows"
            )
        codes = np.column_stack(
            [np.searchsorted(choice.values, table[choice.name].to_numpy()) for choice in self.choices]
        )
        rows = np.ravel_multi_index(tuple(codes.T), tuple(self.cardinalities))
        if len(np.unique(rows)) != len(rows):
            raise ValueError(
                f"the table of space {name!r} must list each of {combinations} combinations once, "
                f"got {len(rows)} rows with {len(np.unique(rows))} distinct ones"
            )
        if cell is not None and len(cell.edges) != len(genes):
            raise ValueError(f"the cell of space {name!r} has {len(cell.edges)} edges, but {len(genes)} genes")
        operators = sorted({str(value) for choice in self.choices for value in choice.values})
        if cell is not None and cell.zero is not None and cell.zero not in operators:
            raise ValueError(f"no edge of space {name!r} can have the operator {cell.zero!r}; known: {operators}")
        self._cell = cell
        self._table = table
        self._row_of = np.argsort(rows)
        self._numbers: dict[str, NDArray[np.float64]] = {}

    def decode(self, genes: Genes) -> Architecture:
        """The architecture of one gene vector of shape (d,): one operator block per gene."""
        blocks = (OperatorBlock(choice.values[gene]) for choice, gene in zip(self.choices, genes, strict=True))
        return Architecture(self.name, 0, (tuple(blocks),))

    def encode(self, architecture: Architecture) -> Genes:
        """The gene vector, shape (d,), of an architecture of this space; see `SearchSpace.encode`."""
        self.check(architecture)
        operators = [
            block.operator for stage in architecture.stages for block in stage if isinstance(block, OperatorBlock)
        ]
        return self.encode_values(
            dict(zip((choice.name for choice in self.choices), operators, strict=True)), architecture
        )

    def features(self, genes: Genes) -> NDArray[np.float64]:
        """Features of the paths of the cells, see `Cell.features`; none (k = 0) if the space has no cell."""
        if self._cell is None:
            return super().features(genes)
        return self._cell.features(genes, [choice.values for choice in self.choices])

    def column(self, population: Population, name: str) -> NDArray[np.float64]:
        """The entries of a column of the table for candidates, shape (n,).

        Args:
            population: The n candidates, of this space.
            name: Name of the column.

        Raises:
            ValueError: If there is no such column, or one of its entries is no finite number, whoever asks for it.
        """
        if name not in self._numbers:
            self._numbers[name] = self._read_numbers(name)
        rows = np.ravel_multi_index(tuple(population.genes.T), tuple(self.cardinalities))
        return self._numbers[name][self._row_of[rows]]

    def _read_numbers(self, name: str) -> NDArray[np.float64]:
        """All entries of a column, in the order of the table."""
        import pandas as pd

        if name not in self._table.columns:
            known = list(self._table.columns)
            raise ValueError(f"the table of space {self.name!r} has no column {name!r}; it has {known}")
        found = pd.to_numeric(self._table[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        if not np.isfinite(found).all():
            row = int(np.isfinite(found).argmin())
            raise ValueError(
                f"column {name!r} of the table of space {self.name!r} must hold finite numbers, "
                f"got {self._table[name].iloc[row]!r} in row {row}"
            )
        return found


def _list_values(column: pd.Series[Any]) -> tuple[Value, ...]:
    """The distinct values of a gene column, in rising order."""
    values = column.unique().tolist()
    for value in values:
        if not isinstance(value, int | float | str) or (isinstance(value, float) and not isfinite(value)):
            # what is not equal to itself is no number, and not found by its value
            row = next((row for row, other in enumerate(column.tolist()) if other == value or other != other), 0)
            raise ValueError(f"gene {column.name!r} must be numbers or text, got {value!r} in row {row}")
    if len({isinstance(value, str) for value in values}) > 1:
        raise ValueError(f"gene {column.name!r} must be numbers or text, got both")
    if len(values) > _MOST_VALUES:
        raise ValueError(f"gene {column.name!r} may have {_MOST_VALUES:,} values, got {len(values):,}")
    return tuple(sorted(values))
