"""Layers that depend on one another come into one block, and are allocated together."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.registry import ALLOCATORS
from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.degradation import SquaredError
from nas.compression.sensitivity.entropy_blocks import (
    EntropyBlocks,
    compute_conditional_entropies,
    partition_layers,
)
from nas.compression.sensitivity.joint_degradation import measure_degradations
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy


class Coupled(nn.Module):
    """Four layers of inputs of their own, side by side, but for the third, which reads the second."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 3, bias=False) for _ in range(4))

    def forward(self, inputs: Tensor) -> Tensor:
        a, b, _, d = inputs.split(3, 1)
        first = self.layers[0](a)
        coupled = self.layers[2](self.layers[1](b))
        return torch.cat([first, coupled, self.layers[3](d)], 1)


@pytest.fixture
def subject() -> CompressionSubject:
    torch.manual_seed(0)
    traced = trace(Coupled(), [torch.zeros(2, 12)])
    with torch.no_grad():
        for weight in (traced.parameters["layers.1.weight"], traced.parameters["layers.2.weight"]):
            weight += 2 * torch.eye(3)  # so that the second and the third are large together
    policies = [LayerPolicy.quantized(bits) for bits in (8, 3, 2)]
    return CompressionSubject.uniform_choices(traced, policies, CalibrationData(torch.randn(400, 12)))


def test_a_coupled_pair_is_one_block_and_its_allocation_is_the_best_of_all(subject: CompressionSubject) -> None:
    assert [layer.name for layer in subject.traced.graph.layers] == [f"layers.{index}" for index in range(4)]
    entropies = compute_conditional_entropies(subject)
    assert entropies[2] < 0.7 * min(entropies[[1, 3]])
    (term,) = EntropyBlocks(SquaredError()).damage(subject)
    assert term.columns == (1, 2)
    damage = MeasuredAlone(SquaredError()).damage(subject)
    sizes = (np.array([8.0, 3.0, 2.0]),) * 4
    everything = [*product(range(3), repeat=4)]
    measured = measure_degradations(subject, everything, SquaredError())
    spent = np.array([sum(sizes[0][choice] for choice in one) for one in everything])
    for most in (9.0, 13.0, 18.0, 23.0):
        problem = AllocationProblem(damage, (Budget("weight_bits", sizes, most),), pairs=(term,))
        for name in ("milp", "frontier", "dynamic_program"):
            found = everything.index(ALLOCATORS[name]().allocate(problem))
            assert measured[found] == pytest.approx(measured[spent <= most].min(), rel=1e-4)


def test_a_layer_begins_a_block_where_its_entropy_is_at_least_the_mean() -> None:
    assert partition_layers(np.array([9.0, 2.0, 1.0, 1.0, 3.0]), 3) == [(0,), (1, 2, 3), (4,)]
    assert partition_layers(np.array([9.0, 2.0, 1.0, 1.0, 0.5]), 2) == [(0,), (1, 2), (3, 4)]
    assert partition_layers(np.array([0.0, 1.0, 1.0]), 3) == [(0,), (1,), (2,)]
    with pytest.raises(ValueError, match="two or more, got most_layers 1"):
        EntropyBlocks(SquaredError(), most_layers=1)
