"""The contract of allocators, and their errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from nas.compression.allocation.allocation_problem import AllocationProblem


class Infeasible(ValueError):
    """No allocation keeps all budgets.

    Attributes:
        excesses: The excess over each budget that the nearest allocation exceeds, by name of the budget.
    """

    def __init__(self, excesses: Mapping[str, float]) -> None:
        self.excesses = dict(excesses)
        missed = ", ".join(f"{name} by {excess:g}" for name, excess in excesses.items())
        super().__init__(f"no choice of policies keeps all budgets; the nearest exceeds {missed}; raise these budgets")


class OutOfTime(TimeoutError):
    """The time limit was reached before the best allocation was found; one within the budgets may or may not exist."""


class SolverFailed(RuntimeError):
    """The solver ended with neither a valid allocation nor a proof that there is none; the message quotes it."""


class Allocator(ABC):
    """Chooses one policy for each layer so that the summed damage is least and no summed cost exceeds its budget.

    The contract, which tests check for all registered allocators: No budget is exceeded. On small instances the damage
    is that of brute force, and a tighter budget does not give less damage. If no allocation keeps all budgets, the
    error names the excesses of the nearest one; reaching the time limit is another error. Sums are those of
    `allocation_problem.sum_chosen`. Allocators are frozen dataclasses.
    """

    @abstractmethod
    def allocate(self, problem: AllocationProblem) -> tuple[int, ...]:
        """For each layer, the index of the chosen policy among its choices.

        Raises:
            Infeasible: If no allocation keeps all budgets.
            OutOfTime: If the time limit was reached first.
            SolverFailed: If the solver ended without a valid result for another reason.
        """
