"""Time that is spent is another answer than that nothing fits; what is near to a budget takes none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import OptimizeResult

from nas.compression.allocation import milp
from nas.compression.allocation.allocation_problem import AllocationProblem, Budget, sum_chosen
from nas.compression.allocation.allocator import OutOfTime, SolverFailed
from nas.compression.allocation.milp import MilpAllocator


def test_time_that_is_spent_is_said() -> None:
    rng = np.random.default_rng(0)
    damage, costs = (tuple(rng.random((40, 5))) for _ in range(2))
    problem = AllocationProblem(damage, (Budget("size", costs, 12.0), Budget("ms", costs[::-1], 12.0)))
    with pytest.raises(OutOfTime, match="of 40 layers' policies was not found in time"):
        MilpAllocator(most_s=0.0).allocate(problem)
    chosen = MilpAllocator().allocate(problem)
    assert not problem.excesses(chosen)


def test_all_that_is_near_to_a_budget_is_told_apart_at_once() -> None:
    """All 2^14 allocations are within 2e-9 of the budget; one keeps it."""
    problem = AllocationProblem(
        (np.array([1.0, 0.0]),) * 14, (Budget("size", (np.array([1.0, 1 + 1e-10]),) * 14, 14.0),)
    )
    assert MilpAllocator(most_s=5.0).allocate(problem) == (0,) * 14


@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_beside_a_layer_that_costs_much_the_others_count(scale: float) -> None:
    """Of 14 layers that differ by 1e-10, 7 may take what costs more; another layer makes that 1e-10 of its cost."""
    fine, coarse = scale * np.array([1.0, 1.0 + 1e-10]), scale * np.array([0.0, 1.0])
    damage = (*[np.array([1.0, 0.0])] * 14, np.array([100.0, 0.0]))
    problem = AllocationProblem(damage, (Budget("size", (*[fine] * 14, coarse), scale * (15.0 + 7.5e-10)),))
    chosen = MilpAllocator(most_s=5.0).allocate(problem)
    assert not problem.excesses(chosen)
    assert sum_chosen(damage, chosen) == 7.0


def test_what_else_ends_a_solver_is_said_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milp, "milp", lambda *_, **__: OptimizeResult(status=4, message="numerical trouble", x=None))
    with pytest.raises(SolverFailed, match="numerical trouble"):
        MilpAllocator().allocate(AllocationProblem((np.zeros(2),)))
