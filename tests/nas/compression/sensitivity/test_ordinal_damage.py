"""An order of layers as damage."""

from __future__ import annotations

import numpy as np

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.registry import ALLOCATORS
from nas.compression.sensitivity.ordinal_damage import rank_damage
from nas.compression.subject import CompressionSubject


def test_layers_are_lowered_in_their_order(residual: CompressionSubject) -> None:
    damage = rank_damage(residual, np.array([0.3, -2.0, 7.0]))
    two = tuple(values[[0, 2]] for values in damage)  # w32a32 or w3a32
    sizes = tuple(np.array([32.0, 3.0]) * weight.numel() for weight in residual.weights)
    full = sum(float(values[0]) for values in sizes)
    saved = [float(values[0] - values[1]) for values in sizes]
    lowered = []
    for spared in (0.0, saved[1], saved[1] + saved[0], sum(saved)):
        problem = AllocationProblem(two, (Budget("weight_bits", sizes, full - spared),))
        lowered.append(tuple(ALLOCATORS["greedy"]().allocate(problem)))
    assert lowered == [(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1)]
    assert all(values[0] == values[3] == 0 for values in damage)  # activations alone save no bit of a weight
