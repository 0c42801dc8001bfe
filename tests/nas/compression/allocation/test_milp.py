"""Time that is spent is another answer than that nothing fits."""

from __future__ import annotations

import numpy as np
import pytest

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.allocator import OutOfTime
from nas.compression.allocation.milp import MilpAllocator


def test_time_that_is_spent_is_said() -> None:
    rng = np.random.default_rng(0)
    damage, costs = (tuple(rng.random((40, 5))) for _ in range(2))
    problem = AllocationProblem(damage, (Budget("size", costs, 12.0), Budget("ms", costs[::-1], 12.0)))
    with pytest.raises(OutOfTime, match="of 40 layers' policies was not found in time"):
        MilpAllocator(most_s=0.0).allocate(problem)
    chosen = MilpAllocator().allocate(problem)
    assert not problem.excesses(chosen)
