"""What every observer of activations keeps to."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Observer(ABC):
    """Tells the range over which an activation is rounded, from one batch of it.

    The contract, kept by tests over all observers: the range is finite, low <= high, and within the lowest and the
    highest value; the same batch gives the same range, whatever was observed before; it is the same in every order of
    the values and scales with them. `nas.compression.compress.calibrate` widens ranges over batches, and 0 is made part
    of the grid afterwards, so an observer need not see to either. Observers are frozen values: they travel to workers.
    """

    @abstractmethod
    def observe(self, activation: Tensor) -> tuple[float, float]:
        """The lowest and the highest value that are to be represented.

        Args:
            activation: One batch, of any shape and memory format, finite and not empty.
        """
