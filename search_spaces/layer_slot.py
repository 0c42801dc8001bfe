"""Slots of layers, and a table by which the layers of networks are looked up from their genes.

Independent of families and policies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from math import prod

import numpy as np
from numpy.typing import NDArray

from search_spaces.choices import Value
from search_spaces.dataflow import get_block_name
from search_spaces.layer_spec import LayerSpec

LayerFunction = Callable[[Sequence[Value]], LayerSpec | None]


@dataclass(frozen=True)
class LayerSlot:
    """Where a layer of the largest network stands, and the few genes that decide which layer that is.

    Attributes:
        name: Module name of the layer in an extracted network.
        genes: Names of the choices that `layer` reads.
        layer: Function of the values of these choices, in that order: the layer, or None if the slot is empty.
    """

    name: str
    genes: tuple[str, ...]
    layer: LayerFunction

    @property
    def block(self) -> str:
        """Name of the block that the layer is a part of, see `get_block_name`."""
        return get_block_name(self.name)


class LayerTable:
    """Every layer of every slot under all values of the few genes that decide it, in one array.

    Args:
        columns: For each slot, the indices of the genes that decide its layer.
        cardinalities: Number of values of every gene, shape (d,).
        layers: For each slot, its layer or None for every combination of values of those genes, in row-major order.
    """

    def __init__(
        self,
        columns: Sequence[Sequence[int]],
        cardinalities: NDArray[np.int64],
        layers: Sequence[Sequence[LayerSpec | None]],
    ) -> None:
        # Slots with fewer genes than others are padded with column 0 at stride 0, which adds nothing to an index.
        most = max(map(len, columns), default=0)
        sizes = [[int(cardinalities[column]) for column in own] for own in columns]
        strides = [[prod(own[axis + 1 :]) for axis in range(len(own))] for own in sizes]
        self._columns = np.array([[*own, *[0] * (most - len(own))] for own in columns], dtype=np.int64)
        self._strides = np.array([[*own, *[0] * (most - len(own))] for own in strides], dtype=np.int64)
        self._starts = np.array([0, *accumulate(map(len, layers))][:-1], dtype=np.int64)
        self._layers = np.fromiter(chain.from_iterable(layers), dtype=object)

    def __call__(self, genes: NDArray[np.int16]) -> list[tuple[LayerSpec, ...]]:
        """The layers of each network in execution order, for genes of shape (n, d)."""
        if not len(self._starts):
            return [()] * len(genes)
        at = (genes[:, self._columns] * self._strides).sum(axis=2) + self._starts
        return [tuple(layer for layer in row if layer is not None) for row in self._layers[at].tolist()]
