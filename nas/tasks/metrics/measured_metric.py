"""The base class of metrics that are measured on images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from results.metric import FloatArray, Metric

if TYPE_CHECKING:  # metrics are named, listed and priced where no torch is loaded
    from torch import Tensor


class MeasuredMetric(ABC):
    """A number computed from the outputs of a network for labelled images.

    Tests hold all measured metrics to this contract. The value is finite and in the unit of the metric. It does not
    depend on the order of the images. No network has a better value than one that classifies all images correctly.
    Metrics are frozen values, as they are sent to workers. All metrics of a measurement are computed from one pass over
    the images.

    Attributes:
        metric: Name, unit and direction, which `results.metric.METRICS` lists under the same name.
    """

    metric: ClassVar[Metric]

    @abstractmethod
    def value(self, logits: Tensor, labels: Tensor) -> float:
        """The metric over a set of images, in its unit.

        Args:
            logits: Outputs of the network, float, shape (images, classes); one image or more.
            labels: Indices of the classes, int64, shape (images,), on the same torch device as the logits.
        """

    def standard_error(self, values: FloatArray, images: int) -> FloatArray | None:  # noqa: ARG002
        """The standard error of measured values, in the unit: how much they would vary over other sets of images.

        Args:
            values: Measured values, shape (n,).
            images: Number of images that each was measured on.

        Returns:
            Standard errors of shape (n,); None if they do not follow from the values alone.
        """
        return None
