"""How far a compressed network gives what the network as it was given gives: quality that needs no labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nas.tasks.metrics.measured_metric import MeasuredMetric, compute_binomial_error
from nas.tasks.registry import CLASSIFICATION, MULTI_LABEL, OWN_LOSS, REGRESSION
from results.metric import METRICS, FloatArray, Metric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Top1Agreement(MeasuredMetric):
    """The percentage of outputs whose largest entry is that of the network as it was given.

    It bounds what accuracy may have changed by: no more samples than those that do not agree can have been right
    before and be wrong now.
    """

    metric: ClassVar[Metric] = METRICS["top1_agreement"]
    needs_labels: ClassVar[bool] = False

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        return 100 * float((outputs.argmax(-1) == labels.argmax(-1)).double().mean())

    def standard_error(self, values: FloatArray, images: int) -> FloatArray:
        return compute_binomial_error(values, images)


@dataclass(frozen=True)
class ExplainedVariance(MeasuredMetric):
    """1 less the squared error of the outputs over their variance, both as sums over samples and outputs.

    It is 1 for equal outputs and 0 for what is as far away as the mean of each output; it suits outputs of any
    meaning. Where the outputs as given are the same for all samples it is 1 for these, and 0 for others.
    """

    tasks: ClassVar[tuple[str, ...]] = (CLASSIFICATION, MULTI_LABEL, REGRESSION, OWN_LOSS)
    metric: ClassVar[Metric] = METRICS["explained_variance"]
    needs_labels: ClassVar[bool] = False

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        exact = labels.double()
        error = float((outputs.double() - exact).square().sum())
        spread = float((exact - exact.mean(0)).square().sum())
        return 1 - error / spread if spread > 0 else float(error == 0)


@dataclass(frozen=True)
class OutputDivergence(MeasuredMetric):
    """The mean Kullback-Leibler divergence from the probabilities of the network as it was given, in nats."""

    metric: ClassVar[Metric] = METRICS["output_divergence"]
    needs_labels: ClassVar[bool] = False

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        from nas.tasks.divergence import compute_divergence

        # of equal distributions it is 0, and rounding may bring it below
        return max(0.0, float(compute_divergence(*(values.double().flatten(0, -2) for values in (outputs, labels)))))
