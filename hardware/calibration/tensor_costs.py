"""Costs of tensors between layers, besides those of the layers that make and read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean

from hardware.calibration.tensor_use import Producer, TensorUse
from hardware.calibration.tensors import Tensor


@dataclass(frozen=True, slots=True)
class TensorCost:
    """A cost that is linear in the elements of a tensor; negative if layers take less time together than alone.

    Attributes:
        latency_ms: Milliseconds per tensor.
        latency_ms_per_element: Milliseconds per element of the tensor.
    """

    latency_ms: float
    latency_ms_per_element: float


@dataclass(frozen=True)
class TensorCosts:
    """Costs of tensors by their uses.

    A tensor of an unknown use has the mean cost of the known uses with the same producer, or else of all known uses.

    Attributes:
        by_use: Costs of the known uses; if there are none, tensors cost nothing.
    """

    by_use: Mapping[TensorUse, TensorCost] = field(default_factory=dict)

    def total(self, tensors: Iterable[Tensor]) -> float:
        """Cost of all tensors of a network in milliseconds, one number."""
        return sum(self.price(tensor.use, tensor.elements) for tensor in tensors)

    def price(self, use: TensorUse, elements: int) -> float:
        """Cost of one tensor in milliseconds.

        Args:
            use: Use of the tensor.
            elements: Number of elements that the node which makes it works on, see `Tensor`.
        """
        cost = self.by_use.get(use) or self._by_producer.get(use.producer, self._mean)
        return cost.latency_ms + cost.latency_ms_per_element * elements

    @cached_property
    def _by_producer(self) -> dict[Producer, TensorCost]:
        found: defaultdict[Producer, list[TensorCost]] = defaultdict(list)
        for use, cost in self.by_use.items():
            found[use.producer].append(cost)
        return {producer: _mean(costs) for producer, costs in found.items()}

    @cached_property
    def _mean(self) -> TensorCost:
        return _mean(list(self.by_use.values()))


def _mean(costs: list[TensorCost]) -> TensorCost:
    if not costs:
        return TensorCost(0.0, 0.0)
    return TensorCost(fmean(cost.latency_ms for cost in costs), fmean(cost.latency_ms_per_element for cost in costs))
