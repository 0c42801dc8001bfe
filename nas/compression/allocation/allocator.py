"""What every allocator keeps to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from nas.compression.allocation.allocation_problem import AllocationProblem


class Infeasible(ValueError):
    """No allocation keeps all budgets.

    Attributes:
        excesses: By how much the nearest one exceeds budgets, by name.
    """

    def __init__(self, excesses: Mapping[str, float]) -> None:
        self.excesses = dict(excesses)
        missed = ", ".join(f"{name} by {excess:g}" for name, excess in excesses.items())
        super().__init__(f"no choice of policies keeps all budgets; the nearest exceeds {missed}; raise these budgets")


class OutOfTime(TimeoutError):
    """The time was spent before the best allocation was known; whether there is one is not said."""


class SolverFailed(RuntimeError):
    """The solver ended with neither an allocation nor a proof that there is none; its own words are in the message."""


class Allocator(ABC):
    """Chooses one policy for each layer so that the summed damage is least and no summed cost exceeds its budget.

    The contract, kept by tests over all allocators: a budget is never exceeded; on small instances the damage is that
    of brute force, and a tighter budget never gives less of it; what cannot be is said with by how much, and what took
    too long is another answer. Sums are those of `allocation_problem.sum_chosen`. Allocators are frozen values.
    """

    @abstractmethod
    def allocate(self, problem: AllocationProblem) -> tuple[int, ...]:
        """The number of the choice of every layer.

        Raises:
            Infeasible: If no allocation keeps all budgets.
            OutOfTime: If that took longer than it may.
            SolverFailed: If a solver ended for another reason.
        """
