"""The base class of metrics that are measured on samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nas.tasks.metrics.corruption import Corruption
from nas.tasks.registry import CLASSIFICATION
from results.metric import FloatArray, Metric

if TYPE_CHECKING:  # metrics are named, listed and priced where no torch is loaded
    from torch import Tensor


class MeasuredMetric(ABC):
    """A number computed from the outputs of a network, and from labels or the outputs of the network as it was given.

    Tests hold all measured metrics to this contract. The value is finite and in the unit of the metric. It does not
    depend on the order of the samples. No network has a better value than one that is right, and certain, everywhere.
    Metrics are frozen values, as they are sent to workers. All metrics of a measurement are computed from one pass over
    the samples.

    Attributes:
        tasks: Names of the tasks that it is for.
        needs_labels: Whether outputs are compared with labels; else they are with those of a given network before it
            was compressed, on the same samples.
        corruption: What is done to the samples before the network sees them; None leaves them as they are.
    """

    tasks: ClassVar[tuple[str, ...]] = (CLASSIFICATION,)
    needs_labels: ClassVar[bool] = True
    corruption: Corruption | None = None

    @property
    @abstractmethod
    def metric(self) -> Metric:
        """Name, unit and direction, which `results.metric.METRICS` lists under the same name; a class attribute."""

    @abstractmethod
    def value(self, outputs: Tensor, labels: Tensor) -> float:
        """The metric over a set of samples, in its unit.

        Args:
            outputs: Outputs of the network, float, shape (samples, outputs), such as logits of classes; one sample or
                more.
            labels: The labels as the task encodes them, such as class indices, int64, shape (samples,), on the same
                torch device as the outputs; or the outputs of the network as it was given, of the shape of `outputs`.
        """

    def standard_error(self, values: FloatArray, images: int) -> FloatArray | None:  # noqa: ARG002
        """The standard error of measured values, in the unit: how much they would vary over other sets of samples.

        Args:
            values: Measured values, shape (n,).
            images: Number of samples that each was measured on.

        Returns:
            Standard errors of shape (n,); None if they do not follow from the values alone.
        """
        return None


def compute_binomial_error(values: FloatArray, images: int) -> FloatArray:
    """The standard error of shares in percent: each sample is a success or a failure, independent of the others.

    Args:
        values: Shares in percent, shape (n,).
        images: Number of samples that each was measured on.

    Returns:
        Standard errors in percent, shape (n,).
    """
    # one more success and one more failure (Laplace), or a share of 100 % would have no error
    share = (np.clip(values, 0.0, 100.0) / 100.0 * images + 1.0) / (images + 2.0)
    errors: FloatArray = 100.0 * np.sqrt(share * (1.0 - share) / images)
    return errors
