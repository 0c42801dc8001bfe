"""Which operators a runtime runs for the tensors of a network, learnt from networks that it has optimised.

In: the uses of the tensors of some networks, and the operators that the runtime ran. Out: `Conversions`, which tells
the operators of other networks. Knows no latency.

What a runtime makes of a tensor depends on its use alone, or nearly: the numbers of operators are sums over tensors,
and the elements that they work on are sums over tensors of multiples of their elements. Both are found by least
squares, and without a stopwatch, so that no noise enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hardware.calibration.tensor_uses import NO_TENSOR, IntArray
from hardware.profiling.profiler import Operators
from search_spaces.additive_cost import FloatArray

_RCOND = 1e-8  # uses that always occur together share their operators


@dataclass(frozen=True)
class Conversions:
    """Operators per tensor, by its use.

    Attributes:
        uses: The known uses, shape (u,), rising.
        counts: Operators of each type per tensor, shape (u, o).
        elements: Elements that they work on per element of the tensor, shape (u, o).
    """

    uses: IntArray
    counts: FloatArray
    elements: FloatArray

    @classmethod
    def learn(cls, uses: IntArray, sizes: FloatArray, operators: Sequence[Operators]) -> Conversions:
        """The conversions of least squares.

        Args:
            uses: Of the tensors of n networks, shape (n, t).
            sizes: Their elements, shape (n, t).
            operators: What the runtime ran for each of the n networks.
        """
        known = np.unique(uses[uses != NO_TENSOR])
        types = sorted({operator for network in operators for operator in network})
        ran = np.array([[network.get(name, (0, 0.0)) for name in types] for network in operators], dtype=float)
        ran = ran.reshape(len(operators), len(types), 2)
        tensors, volumes = tally(known, uses, np.ones_like(sizes)), tally(known, uses, sizes)
        counts = np.linalg.lstsq(tensors, ran[:, :, 0], rcond=_RCOND)[0]
        elements = np.linalg.lstsq(volumes, ran[:, :, 1], rcond=_RCOND)[0]
        return cls(known.astype(np.int32), counts, elements)

    def operators(self, uses: IntArray, sizes: FloatArray) -> FloatArray:
        """Numbers and elements of the operators of networks, shape (n, 2 * o), of tensors of shape (n, t).

        Tensors of unknown uses are left out.
        """
        tensors, volumes = tally(self.uses, uses, np.ones_like(sizes)), tally(self.uses, uses, sizes)
        return np.concatenate([tensors @ self.counts, volumes @ self.elements], axis=1)


def tally(known: IntArray, uses: IntArray, values: FloatArray) -> FloatArray:
    """Sums of values over the tensors of each known use: shape (n, u), of uses and values of shape (n, t)."""
    at = np.searchsorted(known, uses).clip(max=len(known) - 1)
    found = known[at] == uses
    places = np.arange(len(uses))[:, None] * len(known) + at
    sums: FloatArray = np.bincount(places[found], values[found], len(uses) * len(known)).astype(float)
    return sums.reshape(len(uses), len(known))
