"""Expected calibration error: how far the confidence of a classifier is from how often it is right.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nas.tasks.metrics.measured_metric import MeasuredMetric
from results.metric import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor

_BINS = 15  # of equal width, as in the paper


@dataclass(frozen=True)
class ExpectedCalibrationError(MeasuredMetric):
    """The mean over the samples of the difference of accuracy and confidence in their bin of confidence, in percent.

    It has no `standard_error`: the error of a bin depends on how many samples fall into it.
    """

    metric: ClassVar[Metric] = METRICS["expected_calibration_error"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        confidence, answer = outputs.double().softmax(1).max(1)
        bins = (confidence * _BINS).ceil().long().clamp(1, _BINS) - 1  # a bin holds its upper edge
        surplus = confidence - (answer == labels).double()
        sums = surplus.new_zeros(_BINS).index_add(0, bins, surplus)
        return 100 * float(sums.abs().sum()) / len(labels)
