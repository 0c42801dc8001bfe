"""Cells: directed acyclic graphs with an operator on every edge, as in NAS-Bench-201, and features of their paths.

Independent of tables and predictors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search_spaces.choices import Value
from search_spaces.quoting import quote
from search_spaces.search_space import Genes

_MOST_PATHS = 10_000  # each gives predictors as many features as there are operators


@dataclass(frozen=True)
class Cell:
    """The wiring of a cell: node 0 is its input, the highest node its output.

    Attributes:
        edges: First and last node of every edge, in the order of the genes; every edge leads to a higher node.
        zero: Name of the operator that removes an edge; None if there is none.

    Raises:
        ValueError: If an edge leads to no higher node, or no path leads from the input to the output, or more than
            10,000 do.
    """

    edges: tuple[tuple[int, int], ...]
    zero: str | None = None

    def __post_init__(self) -> None:
        if not self.edges:
            raise ValueError("a cell needs one or more edges, got none")
        for first, last in self.edges:
            if not 0 <= first < last:
                raise ValueError(f"an edge of a cell leads from a node to a higher one, got {first} to {last}")
        if not 1 <= (paths := self._count_paths()) <= _MOST_PATHS:
            raise ValueError(
                f"from 1 to {_MOST_PATHS:,} paths must lead from node 0 to the highest node, got {paths:,} along the "
                f"edges {quote(list(self.edges))}"
            )

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """Every path from the input to the output, as indices of edges."""
        output = max(last for _, last in self.edges)

        def from_node(node: int) -> list[tuple[int, ...]]:
            if node == output:
                return [()]
            leaving = [number for number, (first, _) in enumerate(self.edges) if first == node]
            return [(number, *rest) for number in leaving for rest in from_node(self.edges[number][1])]

        return tuple(from_node(0))

    def _count_paths(self) -> int:
        """The number of paths, without listing them: it grows exponentially with the nodes."""
        paths = {0: 1}
        for first, last in sorted(self.edges):  # edges lead upwards, so all that lead to a node come first
            paths[last] = paths.get(last, 0) + paths.get(first, 0)
        return paths[max(last for _, last in self.edges)]

    def features(self, genes: Genes, operators: Sequence[Sequence[Value]]) -> NDArray[np.float64]:
        """Counts of operators on each path without a removed edge, and their sum and maximum over the paths.

        Cells that differ only on edges that are on no such path have the same features, unlike their one-hot codes.
        Source: the path encoding of White et al., BANANAS, AAAI 2021, section 3, with counts in place of sequences.

        Args:
            genes: Index of the operator of every edge, shape (n, e).
            operators: The values of each gene.

        Returns:
            Shape (n, (paths + 2) * (1 + operators other than `zero`)): per path 1 if no edge is removed, then counts.
        """
        names = sorted({str(name) for values in operators for name in values} - {self.zero})
        edge_names = [np.array([str(name) for name in values]) for values in operators]
        on_edge = np.stack([names[column] for names, column in zip(edge_names, genes.T, strict=True)], axis=1)
        counts = []
        for path in self.paths:
            along = on_edge[:, path]
            whole = (along != self.zero).all(axis=1) if self.zero is not None else np.ones(len(genes), dtype=bool)
            counts.append(np.column_stack([whole, *(whole * (along == name).sum(axis=1) for name in names)]))
        stacked = np.stack(counts, axis=1).astype(np.float64)
        return np.concatenate([stacked.reshape(len(genes), -1), stacked.sum(axis=1), stacked.max(axis=1)], axis=1)
