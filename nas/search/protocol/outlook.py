"""The outlook of a search: how much more evaluations are expected to improve its front."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outlook:
    """The expected gain in hypervolume of more evaluations, relative to the present hypervolume of the front.

    Attributes:
        evaluations: Number of further evaluations that the gain is for.
        gain: Expected gain; 0.01 is 1 %.
        low: Lower end of the interval of the gain. In tests, the interval held the actual gain in two thirds of the
            rounds or more.
        high: Upper end of the interval.
    """

    evaluations: int
    gain: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.evaluations} more evaluations would add {self.gain:.1%} to the volume of the front "
            f"({self.low:.1%} to {self.high:.1%})"
        )
