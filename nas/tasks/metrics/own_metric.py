"""Metrics that a function of a user's code computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.user_code import import_callable, user_code
from results.metric import Metric
from search_spaces.quoting import quote

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class OwnMetric(MeasuredMetric):
    """What a function `(outputs, labels) -> number` says, for labels of any task.

    Attributes:
        function: `package.module:function`; it is imported where it is first called.
        described: Name, unit and direction.
    """

    function: str
    described: Metric

    @property
    def metric(self) -> Metric:
        """Name, unit and direction, as the job states them."""
        return self.described

    def value(self, outputs: Tensor, labels: Tensor) -> float:
        """What the function returns.

        Raises:
            ValueError: If it cannot be imported, raises, or returns no number.
        """
        with user_code(self.function):
            found = import_callable(self.function, "metric")(outputs, labels)
        number = _read_number(found)
        if number is None:
            raise ValueError(f"a metric must return one number, got {quote(found)} from {self.function}")
        return number


def _read_number(found: Any) -> float | None:
    """A number of Python, NumPy or torch; None for anything else, such as a tensor of several."""
    if hasattr(found, "item") and getattr(found, "size", None) is not None:
        count = found.numel() if hasattr(found, "numel") else found.size
        found = found.item() if count == 1 else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
