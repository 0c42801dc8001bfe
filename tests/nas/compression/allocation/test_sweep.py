"""A sweep ends when it is to end, and says why."""

from __future__ import annotations

import numpy as np
import pytest

from nas.compression.allocation import sweep
from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.allocator import OutOfTime, SolverFailed, Unsupported
from nas.compression.allocation.frontier_allocator import FrontierAllocator
from search_spaces.additive_cost import Term

RNG = np.random.default_rng


def test_time_that_is_spent_is_another_answer_than_a_frontier_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    damage, costs = (tuple(RNG(seed).random((12, 4))) for seed in (0, 1))
    problem = AllocationProblem(damage, (Budget("ms", costs, 100.0),))
    with pytest.raises(OutOfTime, match="of 12 layers was not found in time, 0 were swept"):
        FrontierAllocator(most_s=0.0).allocate(problem)
    monkeypatch.setattr(sweep, "_MOST_STATES", 100)
    with pytest.raises(
        SolverFailed, match=r"a frontier may take 100 states, got more after .* of 12 layers; merge them into"
    ):
        FrontierAllocator().allocate(problem)


def test_tables_that_keep_too_many_layers_open_are_refused() -> None:
    """Each of 10 layers stands in a table with each other: all choices of the first 7 go on differently."""
    layers = range(10)
    pairs = tuple(Term((one, other), np.zeros((4, 4))) for one in layers for other in layers if one < other)
    with pytest.raises(Unsupported, match=r"layers \[0, 1, 2, 3, 4, 5\] stand in tables with layer 6 .* 16,384 comb"):
        FrontierAllocator().allocate(AllocationProblem(tuple(np.zeros((10, 4))), pairs=pairs))
