"""Errors of regression, in the unit of the labels, and the share of their variance that a network explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nas.tasks.metrics.measured_metric import MeasuredMetric
from results.metric import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor

_TASKS = ("regression",)


@dataclass(frozen=True)
class MeanAbsoluteError(MeasuredMetric):
    """The mean over samples and outputs of the absolute difference from the label."""

    tasks: ClassVar[tuple[str, ...]] = _TASKS
    metric: ClassVar[Metric] = METRICS["mean_absolute_error"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        return float((outputs.double() - labels.double()).abs().mean())


@dataclass(frozen=True)
class RootMeanSquaredError(MeasuredMetric):
    """The root of the mean over samples and outputs of the squared difference from the label."""

    tasks: ClassVar[tuple[str, ...]] = _TASKS
    metric: ClassVar[Metric] = METRICS["root_mean_squared_error"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        return float((outputs.double() - labels.double()).square().mean().sqrt())


@dataclass(frozen=True)
class R2(MeasuredMetric):
    """The coefficient of determination: 1 less the squared error in units of the variance, as a mean over outputs.

    An output whose labels are all equal counts 1 where the network gives them, and 0 where it does not.
    """

    tasks: ClassVar[tuple[str, ...]] = _TASKS
    metric: ClassVar[Metric] = METRICS["r2"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        exact = labels.double()
        error = (outputs.double() - exact).square().sum(0)
        spread = (exact - exact.mean(0)).square().sum(0)
        share = (error / spread).where(spread > 0, (error > 0).double())
        return float((1 - share).mean())
