"""Accuracy: the share of samples that are classified correctly, as they are and under a stated corruption."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from nas.tasks.metrics.corruption import Corruption
from nas.tasks.metrics.measured_metric import MeasuredMetric, compute_binomial_error
from results.metric import METRICS, FloatArray, Metric

if TYPE_CHECKING:
    from torch import Tensor

_TOP = 5


@dataclass(frozen=True)
class Accuracy(MeasuredMetric):
    """The percentage of samples whose largest logit is that of the label."""

    metric: ClassVar[Metric] = METRICS["accuracy"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        return _count_top1(outputs, labels)

    def standard_error(self, values: FloatArray, images: int) -> FloatArray:
        return compute_binomial_error(values, images)


@dataclass(frozen=True)
class Top5Accuracy(MeasuredMetric):
    """The percentage of samples whose label is among the five largest logits; 100 where there are five classes."""

    metric: ClassVar[Metric] = METRICS["top5_accuracy"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        top = outputs.topk(min(_TOP, outputs.shape[1])).indices
        return 100 * int((top == labels[:, None]).any(1).sum()) / len(labels)

    def standard_error(self, values: FloatArray, images: int) -> FloatArray:
        return compute_binomial_error(values, images)


@dataclass(frozen=True)
class CorruptedAccuracy(MeasuredMetric):
    """The percentage of samples whose largest logit is that of the label, after a corruption of the images.

    Attributes:
        corruption: What is done to the images; the same to each of them for all candidates.
    """

    metric: ClassVar[Metric] = METRICS["corrupted_accuracy"]

    corruption: Corruption = field(default_factory=Corruption)

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        return _count_top1(outputs, labels)

    def standard_error(self, values: FloatArray, images: int) -> FloatArray:
        return compute_binomial_error(values, images)


def _count_top1(outputs: Tensor, labels: Tensor) -> float:
    return 100 * int((outputs.argmax(1) == labels).sum()) / len(labels)
