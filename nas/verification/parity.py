"""Whether outputs are those that torch computes, up to rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of networks in floating point: relative to how far outputs lie from their median, as sums in another order differ by
# less, and a tenth of it relative to the largest, for outputs that are far from 0 beside how they differ.
_FLOAT_TOLERANCE = 1e-4
_OFFSET_TOLERANCE = 1e-5
# Of quantised ones, in steps of the outputs. Kernels in integers and in floating point round as torch does, but for
# ties. Where a bias is in floating point, those in integers round it to a multiple of the product of the steps of input
# and weight, so about one activation of a thousand falls to the neighbouring code, and later layers pass that on.
_ONE_STEP, _SHARE_BEYOND = 1.01, 0.001  # a step itself is not exact in floating point
_MEAN_STEPS, _MAX_STEPS = 2.0, 16.0
# Of few codes, that is all there is: steps do not bound what differs by more than the outputs do among themselves. An
# answer that is constant, flipped or shuffled is off by their mean deviation or more; of the networks at 2 to 8 bits
# that were tried, right files by a fifth at most.
_SHARE_OF_DEVIATION = 0.5
_SHARE_OF_RANGE = 0.25
_SMALLEST = 1e-30  # avoids a division by 0


@dataclass(frozen=True)
class Agreement:
    """How far outputs are from what torch computes.

    Attributes:
        fault: Why they do not agree; empty if they do.
        detail: How near they are, in words.
    """

    fault: str
    detail: str


@dataclass(frozen=True, eq=False)
class Reference:
    """What torch computes.

    Attributes:
        outputs: Its outputs, shape (samples, ...).
        quantized: Whether something of the network is rounded.
        step: The step of the quantiser that rounds the outputs; None where none does.
    """

    outputs: NDArray[Any]
    quantized: bool
    step: float | None

    @property
    def unit(self) -> float:
        """The step by which quantised outputs are compared: a 255th of their range, or their own, which is larger."""
        # outputs on a grid cannot agree within less than its step, which few of them may not show
        return max(float(np.ptp(self.outputs)) / 255, self.step or 0.0, _SMALLEST)

    def find_fault(self) -> str:
        """Why nothing can be compared with these outputs; empty if something can."""
        if not np.isfinite(self.outputs).all():
            return "the outputs of a network must be finite to be compared, and torch computes others"
        if self.outputs.size != 1 and not np.ptp(self.outputs) > 0:
            return (
                "the outputs of a network must differ to be compared, and all are "
                f"{self.outputs.flat[0]:.4g}: it has collapsed"
            )
        return ""

    def compare(self, given: NDArray[Any], exact: bool) -> Agreement:
        """Compares the outputs of a runtime with these.

        Args:
            given: The outputs, shape (samples, ...).
            exact: Whether the runtime has nothing to round that torch has not: then quantised outputs must be within
                one step but for one of a thousand, and first answers must be equal. Else they may differ by 2 steps on
                average and 16 at most, less where there are few codes.
        """
        if fault := self.find_fault():
            return Agreement(fault, "")
        if given.shape != self.outputs.shape:
            return Agreement(f"outputs must be of shape {self.outputs.shape}, got {given.shape}", "")
        if not np.isfinite(given).all():
            return Agreement("outputs must be finite, and onnxruntime computes others", "")
        return self._compare_steps(given, exact) if self.quantized else self._compare_floats(given)

    def _compare_floats(self, given: NDArray[Any]) -> Agreement:
        expected = self.outputs
        reach = float(np.abs(expected - np.median(expected)).max() if expected.size > 1 else np.abs(expected).max())
        tolerance = max(reach, float(np.abs(expected).max()) * _OFFSET_TOLERANCE / _FLOAT_TOLERANCE, _SMALLEST)
        worst = float(np.abs(given - expected).max() / tolerance)
        detail = f"within {worst:.2g} relative"
        if not worst <= _FLOAT_TOLERANCE:
            fault = f"onnxruntime must agree with torch within {_FLOAT_TOLERANCE:g} relative, got {worst:.2g}"
            return Agreement(fault, detail)
        return Agreement("", detail)

    def _compare_steps(self, given: NDArray[Any], exact: bool) -> Agreement:
        steps = np.abs(given - self.outputs) / self.unit
        beyond, most_mean, most = int((steps > _ONE_STEP).sum()), *self.bound_steps()
        lost, within = self._count_lost(given), 1 - beyond / steps.size
        detail = (
            f"{within:.2%} within one step, {steps.mean():.2f} on average and {steps.max():.1f} at most; "
            f"{lost} of {len(given)} first answers differ"
        )
        if not (steps.mean() <= most_mean and steps.max() <= most):
            fault = (
                f"onnxruntime must agree with torch within {most_mean:.3g} quantisation steps on average and "
                f"{most:.3g} at most, got {steps.mean():.2f} and {steps.max():.1f}"
            )
            return Agreement(fault, detail)
        if exact and beyond > math.ceil(_SHARE_BEYOND * steps.size):  # a single output may always be one of a thousand
            return Agreement(f"{1 - _SHARE_BEYOND:.1%} of outputs must be within one step, got {within:.2%}", detail)
        if exact and lost:
            return Agreement(f"first answers must be equal, and {lost} of {len(given)} differ", detail)
        return Agreement("", detail)

    def bound_steps(self) -> tuple[float, float]:
        """The steps by which quantised outputs may differ on average, and at most."""
        step, expected = self.unit, self.outputs
        deviation = float(np.abs(expected - np.median(expected)).mean()) / step
        # a code of one output may always be the neighbouring one
        mean = max(_SHARE_OF_DEVIATION * deviation, 1 / expected.size)
        largest = (_SHARE_OF_RANGE * float(np.ptp(expected)) + (self.step or 0.0)) / step
        return min(_MEAN_STEPS, mean), min(_MAX_STEPS, largest)

    def _count_lost(self, given: NDArray[Any]) -> int:
        """How many samples have another largest output: torch's leads by more than a step, and is not the largest here.

        Else it is a tie, of which the first of the largest outputs tells nothing.
        """
        if self.outputs.ndim != 2 or self.outputs.shape[1] < 2:
            return 0
        rows = np.arange(len(given))
        lead = self.outputs.max(1) - self.outputs[rows, given.argmax(1)]
        behind = given.max(1) - given[rows, self.outputs.argmax(1)]
        return int(((lead > _ONE_STEP * self.unit) & (behind > 0)).sum())
