"""Accuracy on the class with the lowest one; an average over all classes would hide a class that is never found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nas.tasks.metrics.measured_metric import MeasuredMetric
from results.metric import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class WorstClassAccuracy(MeasuredMetric):
    """The lowest recall, in percent, of the classes that occur among the labels.

    It has no `standard_error`: that of a minimum depends on the recalls of all classes, not on the value alone.
    """

    metric: ClassVar[Metric] = METRICS["worst_class_accuracy"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        hit = labels[outputs.argmax(1) == labels]
        images, hits = (some.bincount(minlength=outputs.shape[1]) for some in (labels, hit))
        present = images > 0
        return 100 * float((hits[present].double() / images[present]).min())
