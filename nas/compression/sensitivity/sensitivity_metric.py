"""The contract of sensitivity metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod

from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


class SensitivityMetric(ABC):
    """Estimates the damage to a network if a policy compresses one of its layers alone.

    The contract, which tests check for all registered metrics: Damage is finite and not negative, and 0 where a policy
    leaves a layer as it is. It is the same each time, and the network is not changed. Allocators minimise the sum of
    damages over layers, as if layers were independent. Metrics are frozen dataclasses; one that draws random numbers
    has a seed.
    """

    @abstractmethod
    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the choices of every layer, float64, each of shape (choices of the layer,).

        Raises:
            ValueError: If the metric needs data or labels that the subject has not.
        """
