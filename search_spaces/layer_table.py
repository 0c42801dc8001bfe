"""The layers of every network of a space, found by look-up.

Independent of families and policies.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from math import prod

import numpy as np
from numpy.typing import NDArray

from search_spaces.layer_spec import LayerSpec


class LayerTable:
    """Every layer of every slot under all values of the few genes that decide it, one after the other.

    Args:
        columns: The genes that decide each slot.
        cardinalities: Number of values of every gene, shape (d,).
        layers: What stands in each slot for every combination of those genes, in row-major order.
    """

    def __init__(
        self,
        columns: Sequence[Sequence[int]],
        cardinalities: NDArray[np.int64],
        layers: Sequence[Sequence[LayerSpec | None]],
    ) -> None:
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
