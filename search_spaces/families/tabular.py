"""Spaces given as a table: one row per network, one column per gene. Their networks have no layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from search_spaces.candidate import Architecture, OperatorBlock
from search_spaces.choices import Choice
from search_spaces.families.cell import Cell
from search_spaces.population import Population
from search_spaces.search_space import Genes, SearchSpace

if TYPE_CHECKING:
    import pandas as pd


class TabularSpace(SearchSpace):
    """Every combination of the values that the gene columns of a table hold.

    Args:
        name: Name of the space.
        table: One row per network; every combination of gene values must be there once.
        genes: Names of the gene columns.
        cell: The cell on whose edges the genes choose operators; None if the genes are something else.

    Raises:
        ValueError: If a column is missing, a combination is missing or there twice, the cell has more or fewer edges
            than there are genes, or its operator `zero` is in no gene column.
    """

    def __init__(self, name: str, table: pd.DataFrame, genes: Sequence[str], cell: Cell | None = None) -> None:
        absent = [gene for gene in genes if gene not in table.columns]
        if absent:
            raise ValueError(f"the table of space {name!r} lacks the columns {absent}; it has {list(table.columns)}")
        super().__init__(name, [Choice(gene, tuple(sorted(table[gene].unique().tolist()))) for gene in genes], [])
        codes = np.column_stack(
            [np.searchsorted(choice.values, table[choice.name].to_numpy()) for choice in self.choices]
        )
        rows = np.ravel_multi_index(tuple(codes.T), tuple(self.cardinalities))
        if len(np.unique(rows)) != len(rows) or len(rows) != self.cardinalities.prod():
            raise ValueError(
                f"the table of space {name!r} must list each of {self.cardinalities.prod()} combinations once, "
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
        """
        rows = np.ravel_multi_index(tuple(population.genes.T), tuple(self.cardinalities))
        return self._table[name].to_numpy(dtype=float)[self._row_of[rows]]
