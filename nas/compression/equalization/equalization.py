"""The contract of equalisations."""

from __future__ import annotations

from abc import ABC, abstractmethod

from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork


class Equalization(ABC):
    """Changes the tensors of a network before it is rounded, so that rounding costs less.

    The contract, which tests check for all registered equalisations: In exact arithmetic the network computes the same
    function, whatever its inputs. It has the same layers, each with a weight of the same shape. The network of the
    subject is not changed. The result is the same each time. Where nothing can be rescaled, the network stays as it
    is. Equalisations are frozen dataclasses.
    """

    @abstractmethod
    def equalize(self, subject: CompressionSubject) -> TracedNetwork:
        """The equalised network.

        Args:
            subject: The network, with inputs where the equalisation reads activations.

        Raises:
            ValueError: If the equalisation needs data and the subject has none.
        """
