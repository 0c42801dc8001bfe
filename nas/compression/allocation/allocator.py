"""The contract of allocators, and their errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import ClassVar

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
    """A limit of time or nodes was reached before the best allocation; one within the budgets may or may not exist."""


class SolverFailed(RuntimeError):
    """The solver ended with neither a valid allocation nor a proof that there is none; the message quotes it."""


class Unsupported(ValueError):
    """The allocator does not solve problems of this kind; the message says which part it does not take."""


@dataclass(frozen=True)
class Abilities:
    """What an allocator can do.

    Attributes:
        exact: Whether the damage is the least that is possible, but for rounding.
        most_budgets: The largest number of budgets.
        joint_costs: Whether budgets may have costs that several layers decide together.
        pairs: Whether there may be damage that several layers do together.
    """

    exact: bool
    most_budgets: float = inf
    joint_costs: bool = True
    pairs: bool = True

    def check(self, name: str, problem: AllocationProblem) -> None:
        """Checks that a problem is within the abilities.

        Args:
            name: Name of the allocator.
            problem: The problem.

        Raises:
            Unsupported: If it is not.
        """
        if not len(problem.budgets) <= self.most_budgets:
            refused = f"more than {self.most_budgets:g} budget, got {len(problem.budgets)}"
        elif not self.joint_costs and any(budget.joint for budget in problem.budgets):
            refused = "costs that several layers decide together"
        elif not self.pairs and problem.pairs:
            refused = "damage that several layers do together"
        else:
            return
        raise Unsupported(f"{name} does not take {refused}; MilpAllocator does")


class Allocator(ABC):
    """Chooses one policy for each layer so that the summed damage is least and no summed cost exceeds its budget.

    The contract, which tests check for all registered allocators: No budget is exceeded. On small instances the damage
    of an exact allocator is that of brute force, and a tighter budget does not give less damage. If no allocation keeps
    all budgets, the error names the excesses of the nearest one; reaching the time limit is another error. Sums are
    those of `allocation_problem.sum_chosen`. Tied layers take the same choice. Allocators are frozen dataclasses.

    Attributes:
        abilities: What the allocator can do; any other problem is refused.
    """

    abilities: ClassVar[Abilities]

    def allocate(self, problem: AllocationProblem) -> tuple[int, ...]:
        """For each layer, the index of the chosen policy among its choices.

        Raises:
            Unsupported: If the problem is not within the abilities of the allocator.
            Infeasible: If no allocation keeps all budgets.
            OutOfTime: If a limit of time or of nodes was reached first.
            SolverFailed: If the solver ended without a valid result for another reason.
        """
        self.abilities.check(type(self).__name__, problem)
        return self.solve(problem)

    @abstractmethod
    def solve(self, problem: AllocationProblem) -> tuple[int, ...]:
        """Carries out `allocate` for a problem within the abilities; the errors are the same."""
