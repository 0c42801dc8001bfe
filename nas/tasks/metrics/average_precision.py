"""Mean average precision: how well the samples that have a label are ranked before those that do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nas.tasks.metrics.measured_metric import MeasuredMetric
from results.metric import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MeanAveragePrecision(MeasuredMetric):
    """The mean over labels of the average precision, in percent; labels that no sample has are left out.

    Samples with equal logits, of which quantised networks give many, are ranked as one, as scikit-learn does. There is
    no `standard_error`: it depends on the ranks of all samples.
    """

    tasks: ClassVar[tuple[str, ...]] = ("multi_label",)
    metric: ClassVar[Metric] = METRICS["mean_average_precision"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        import torch

        scores, order = (-outputs.double()).T.contiguous().sort(1)
        there = (labels.T > 0).gather(1, order).double()
        ranks = torch.arange(1, len(labels) + 1, device=scores.device)
        precision = there.cumsum(1) / ranks
        last_equal = torch.searchsorted(scores, scores, right=True) - 1  # of each, the last one with the same logit
        positive = there.sum(1)
        average = (precision.gather(1, last_equal) * there).sum(1) / positive
        found = average[positive > 0]
        return 100 * float(found.mean()) if len(found) else 100.0
