"""Top-1 accuracy: the share of images that are classified correctly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nas.tasks.metrics.measured_metric import MeasuredMetric
from results.metric import METRICS, FloatArray, Metric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Accuracy(MeasuredMetric):
    """The percentage of images whose largest logit is that of the label."""

    metric: ClassVar[Metric] = METRICS["accuracy"]

    def value(self, logits: Tensor, labels: Tensor) -> float:
        return 100 * int((logits.argmax(1) == labels).sum()) / len(labels)

    def standard_error(self, values: FloatArray, images: int) -> FloatArray:
        """The binomial standard error: each image is a success or a failure, independent of the others."""
        # one more success and one more failure (Laplace), or an accuracy of 100 % would have no error
        share = (np.clip(values, 0.0, 100.0) / 100.0 * images + 1.0) / (images + 2.0)
        return 100.0 * np.sqrt(share * (1.0 - share) / images)
