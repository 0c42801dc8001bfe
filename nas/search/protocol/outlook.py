"""What going on with a search would bring, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outlook:
    """The gain in hypervolume that more evaluations are expected to bring, as shares of the present one.

    Attributes:
        evaluations: How many more.
        gain: Expected gain; 0.01 is 1 %.
        low: Lower end of an interval that held what came in two thirds of rounds or more.
        high: Its upper end.
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
