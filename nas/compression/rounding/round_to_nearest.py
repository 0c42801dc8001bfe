"""The nearest codes: the baseline of all other roundings."""

from __future__ import annotations

from dataclasses import dataclass

from nas.compression.rounding.rounding import RoundedWeight, Rounding, RoundingProblem


@dataclass(frozen=True)
class RoundToNearest(Rounding):
    """Rounds every weight to the nearest code, whatever happens to the others."""

    def round(self, problem: RoundingProblem) -> RoundedWeight:
        """The nearest codes in the steps of `RoundingProblem.choose_steps`."""
        steps = problem.choose_steps()
        return RoundedWeight(problem.nearest(steps), steps)
