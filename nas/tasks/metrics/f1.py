"""F1: the harmonic mean of precision and recall, over all answers together or as the mean of classes or labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from nas.tasks.metrics.measured_metric import MeasuredMetric
from results.metric import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MacroF1(MeasuredMetric):
    """The mean F1, in percent, of the classes or labels that some sample has or is given.

    A sample has a label where its logit is above 0, and the class of its largest logit. There is no `standard_error`:
    it depends on the counts of all classes.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "multi_label")
    metric: ClassVar[Metric] = METRICS["macro_f1"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        if labels.ndim == 1:
            classes = outputs.shape[1]
            hits = labels[outputs.argmax(1) == labels].bincount(minlength=classes)
            answers = labels.bincount(minlength=classes) + outputs.argmax(1).bincount(minlength=classes)
        else:
            hits, answers = _count(outputs, labels)
        there = answers > 0
        return 100 * float((2 * hits[there].double() / answers[there]).mean()) if bool(there.any()) else 100.0


@dataclass(frozen=True)
class MicroF1(MeasuredMetric):
    """The F1, in percent, of all answers of all labels together; a sample has a label where its logit is above 0."""

    tasks: ClassVar[tuple[str, ...]] = ("multi_label",)
    metric: ClassVar[Metric] = METRICS["micro_f1"]

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        hits, answers = (int(counts.sum()) for counts in _count(outputs, labels))
        return 200 * hits / answers if answers else 100.0  # nothing was to be found, and nothing was


def _count(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of each label: how many samples have it and are given it; how many have it, and how many are given it, added."""
    given, there = outputs > 0, labels > 0
    return (given & there).sum(0), given.sum(0) + there.sum(0)
