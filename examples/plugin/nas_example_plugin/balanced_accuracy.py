"""Balanced accuracy: the mean recall of all classes, whatever their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nas.tasks.metrics.measured_metric import MeasuredMetric
from results.metric import Metric

if TYPE_CHECKING:
    from torch import Tensor

METRIC = Metric("balanced_accuracy", "%", maximize=True, format="{:.2f}")


@dataclass(frozen=True)
class BalancedAccuracy(MeasuredMetric):
    """The mean recall, in percent, of the classes that occur among the labels."""

    metric: ClassVar[Metric] = METRIC

    def value(self, logits: Tensor, labels: Tensor) -> float:
        """The metric for logits, shape (images, classes), and labels, shape (images,)."""
        hit = labels[logits.argmax(1) == labels]
        images, hits = (some.bincount(minlength=logits.shape[1]) for some in (labels, hit))
        present = images > 0
        return 100 * float((hits[present].double() / images[present]).mean())


BALANCED = BalancedAccuracy()
