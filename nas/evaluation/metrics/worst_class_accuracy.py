"""Accuracy on the class that a network knows least, where an average would hide that one is missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nas.evaluation.metrics.measured_metric import MeasuredMetric
from results.metric import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class WorstClassAccuracy(MeasuredMetric):
    """The lowest recall of a class, in percent, among the classes that some label names.

    Its sampling error is not stated: it is that of a minimum, and depends on the recalls of all other classes.
    """

    metric: ClassVar[Metric] = METRICS["worst_class_accuracy"]

    def value(self, logits: Tensor, labels: Tensor) -> float:
        hit = labels[logits.argmax(1) == labels]
        images, hits = (some.bincount(minlength=logits.shape[1]) for some in (labels, hit))
        present = images > 0
        return 100 * float((hits[present].double() / images[present]).min())
