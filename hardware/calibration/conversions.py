"""Which operators a runtime runs for the tensors of a network, learnt from networks that it has optimised.

The operators that a runtime runs for a tensor depend almost on its use alone. So the number of operators of a type is a
sum over tensors, and the number of elements that they work on is a sum of multiples of the elements of tensors. The
summands and the multiples are found by least squares. Nothing is timed, so there is no noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hardware.calibration.tensor_use import TensorUse
from hardware.calibration.tensors import Tensor
from hardware.profiling.profiler import OperatorCounts
from search_spaces.additive_cost import FloatArray

_RCOND = 1e-8  # below this share of the largest singular value: uses that always occur together share their operators
Networks = Sequence[Sequence[Tensor]]


@dataclass(frozen=True)
class Conversions:
    """The operators that a runtime runs per tensor, by the use of the tensor.

    Attributes:
        uses: The u known uses, all distinct.
        counts: Number of operators of each of the o types per tensor, shape (u, o).
        elements: Number of elements that these operators work on, per element of the tensor, shape (u, o).
    """

    uses: tuple[TensorUse, ...]
    counts: FloatArray
    elements: FloatArray

    @classmethod
    def learn(cls, networks: Networks, operators: Sequence[OperatorCounts]) -> Conversions:
        """The conversions that explain what a runtime ran best, in least squares.

        Args:
            networks: The tensors of n networks.
            operators: The operators that the runtime ran for each network.
        """
        known = tuple(dict.fromkeys(tensor.use for network in networks for tensor in network))
        types = sorted({operator for network in operators for operator in network})
        ran = np.array([[network.get(name, (0, 0.0)) for name in types] for network in operators], dtype=float)
        ran = ran.reshape(len(operators), len(types), 2)
        tensors, elements = tally(known, networks)
        return cls(
            known,
            np.linalg.lstsq(tensors, ran[:, :, 0], rcond=_RCOND)[0],
            np.linalg.lstsq(elements, ran[:, :, 1], rcond=_RCOND)[0],
        )

    def count_operators(self, networks: Networks) -> FloatArray:
        """For n networks, the number of operators of each type and then their elements, shape (n, 2 * o).

        Tensors of unknown uses are left out.
        """
        tensors, elements = tally(self.uses, networks)
        return np.concatenate([tensors @ self.counts, elements @ self.elements], axis=1)


def tally(uses: Sequence[TensorUse], networks: Networks) -> tuple[FloatArray, FloatArray]:
    """The number of tensors of each use in n networks, and the number of their elements.

    Args:
        uses: The u uses that are counted; tensors of others are left out.
        networks: The tensors of n networks.

    Returns:
        Two arrays of shape (n, u).
    """
    columns = {use: column for column, use in enumerate(uses)}
    tensors, elements = np.zeros((2, len(networks), len(uses)))
    for row, network in enumerate(networks):
        for tensor in network:
            if tensor.use in columns:
                tensors[row, columns[tensor.use]] += 1
                elements[row, columns[tensor.use]] += tensor.elements
    return tensors, elements
