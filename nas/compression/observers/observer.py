"""The contract of observers of activations."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Observer(ABC):
    """Takes the range over which an activation is rounded from one batch of its values.

    The contract, which tests check for all registered observers: The range is finite, with low <= high, and lies within
    the lowest and the highest value. Equal batches give equal ranges, whatever was observed before. The order of the
    values does not matter, and the range scales with them. An observer need not join ranges over batches, which
    `nas.compression.compress.calibrate` does, nor include 0, which the quantiser does. Observers are frozen
    dataclasses, as they are sent to workers.
    """

    @abstractmethod
    def observe(self, activation: Tensor) -> tuple[float, float]:
        """The lowest and the highest value that are to be represented.

        Args:
            activation: The values of one batch, of any shape and memory format, finite and not empty.
        """
