"""What every metric that is measured on images keeps to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from results.metric import FloatArray, Metric

if TYPE_CHECKING:  # metrics are named, listed and priced where no torch is loaded
    from torch import Tensor


class MeasuredMetric(ABC):
    """A number computed from what a network answers to labelled images.

    The contract, kept by tests over all measured metrics: the value is finite and in the unit of the metric; it depends
    on the images, not on their order; a network that is right everywhere is never worse than another. Metrics are
    frozen values: they travel to workers. All metrics of a measurement are computed from one pass over the images.

    Attributes:
        metric: Name, unit and direction, which `results.metric.METRICS` lists under the same name.
    """

    metric: ClassVar[Metric]

    @abstractmethod
    def value(self, logits: Tensor, labels: Tensor) -> float:
        """The metric over a set of images, in its unit.

        Args:
            logits: Outputs of the network, float, shape (images, classes); one image or more.
            labels: Class numbers, int64, shape (images,), in the same memory.
        """

    def standard_error(self, values: FloatArray, images: int) -> FloatArray | None:  # noqa: ARG002
        """Standard deviation of a measured value over other images that might have been drawn, in the unit.

        Args:
            values: Measured values, shape (n,).
            images: How many images each was measured on.

        Returns:
            Shape (n,); None if no formula gives it from the values alone.
        """
        return None
