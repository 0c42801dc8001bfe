"""Pair terms of networks that say what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.registry import ALLOCATORS
from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.degradation import SquaredError
from nas.compression.sensitivity.joint_degradation import measure_degradations
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.sensitivity.pairs import HessianPairs, MeasuredPairs, PairMetric
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy

METRICS = [HessianPairs(), MeasuredPairs(SquaredError())]
FLOAT, TWO, THREE = LayerPolicy(), LayerPolicy.quantized(2), LayerPolicy.quantized(3)


class Two(nn.Module):
    """Two linear layers that are apart, added, or added, moved and rectified."""

    def __init__(self, joined: str) -> None:
        super().__init__()
        self.first, self.second, self.joined = nn.Linear(4, 1, bias=False), nn.Linear(4, 1, bias=False), joined

    def forward(self, inputs: Tensor) -> Tensor:
        one, other = self.first(inputs), self.second(inputs)
        if self.joined == "apart":
            return torch.cat([one, other], 1)
        return one + other if self.joined == "added" else (one + other + 0.2).relu()


def make_subject(joined: str) -> CompressionSubject:
    torch.manual_seed(0)
    traced = trace(Two(joined), [torch.zeros(2, 4)])
    return CompressionSubject.uniform_choices(traced, [FLOAT, TWO, THREE], CalibrationData(torch.randn(9, 4), batch=4))


@pytest.mark.parametrize("metric", METRICS, ids=["hessian", "measured"])
def test_additive_networks_have_none(metric: PairMetric) -> None:
    (term,) = metric.damage(make_subject("apart"))
    np.testing.assert_allclose(term.table, 0.0, atol=1e-7)


@pytest.mark.parametrize("metric", METRICS, ids=["hessian", "measured"])
def test_a_bilinear_coupling_is_met_exactly(metric: PairMetric) -> None:
    subject = make_subject("added")
    (term,) = metric.damage(subject)
    moved = [
        [
            (subject.need_data().inputs @ (round_weight(weight, bits) - weight).T).squeeze(1)
            if bits
            else torch.zeros(9)
            for bits in (0, 2, 3)
        ]
        for weight in subject.weights
    ]
    expected = [[2 * float((one * other).mean()) for other in moved[1]] for one in moved[0]]
    assert term.columns == (0, 1)
    np.testing.assert_allclose(term.table, expected, rtol=1e-3, atol=1e-6)
    assert np.abs(term.table[1, 1]) > 1e-3


def round_weight(weight: Tensor, bits: int) -> Tensor:
    step = weight.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    return (weight / step).round() * step


def test_two_layers_that_are_harmless_alone_and_harmful_together_are_told() -> None:
    subject = make_subject("rectified")
    for weight in subject.weights:
        weight.copy_(torch.tensor([[1.0, 0.3, 0.0, 0.0]]))  # 2 bits round 0.3 to 0
    data = CalibrationData(torch.tensor([[0.0, -1.0, 0.0, 0.0]]))
    (term,) = MeasuredPairs(SquaredError()).damage(replace(subject, data=data))
    assert term.table[1, 1] == pytest.approx(0.2**2, rel=1e-4)  # alone each ends at -0.1, and both at 0.2


def test_activations_couple_layers_too(residual: CompressionSubject) -> None:
    terms = HessianPairs().damage(residual)
    assert [term.columns for term in terms] == [(0, 1), (0, 2), (1, 2)]
    assert all((term.table[0] == 0).all() and (term.table[:, 0] == 0).all() for term in terms)
    assert all(term.table[3, 3] != 0 for term in terms)  # w32a4 with w32a4


class Three(Two):
    """The two that are rectified, and a third layer beside them."""

    def __init__(self) -> None:
        super().__init__("rectified")
        self.third = nn.Linear(4, 1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([super().forward(inputs), self.third(inputs)], 1)


def test_allocators_keep_apart_what_is_harmful_together() -> None:
    traced = trace(Three(), [torch.zeros(2, 4)])
    data = CalibrationData(torch.tensor([[0.0, -1.0, 0.0, 0.0]]))
    subject = CompressionSubject.uniform_choices(traced, [FLOAT, TWO], data)
    for weight, second in zip(subject.weights, (0.3, 0.3, 0.1), strict=True):
        weight.copy_(torch.tensor([[1.0, second, 0.0, 0.0]]))  # 2 bits round the second to 0
    damage = MeasuredAlone(SquaredError()).damage(subject)
    assert [float(known[1]) for known in damage] == pytest.approx([0.0, 0.0, 0.1**2 / 2])
    bits = Budget("weight_bits", (np.array([32.0, 2.0]),) * 3, 36.0)  # two of the three layers are to give way
    plain = AllocationProblem(damage, (bits,))
    augmented = replace(plain, pairs=MeasuredPairs(SquaredError(), reach=2).damage(subject))
    names = [name for name in ALLOCATORS if name != "greedy"]
    assert {ALLOCATORS[name]().allocate(plain) for name in names} == {(1, 1, 0)}
    found = {name: ALLOCATORS[name]().allocate(augmented) for name in names}
    assert {*found.values()} <= {(1, 0, 1), (0, 1, 1)}, found
    measured = measure_degradations(subject, [(1, 1, 0), found["milp"]], SquaredError())
    assert measured.tolist() == pytest.approx([0.2**2 / 2, 0.1**2 / 2])
    assert measured[1] == pytest.approx(augmented.damage_of(found["milp"]))
    # one layer after the other by single and half of the pair terms: both of the pair come after the third
    scores = [
        known[1] + sum(term.table[1, 1] for term in augmented.pairs if i in term.columns) / 2
        for i, known in enumerate(damage)
    ]
    assert scores[2] < min(scores[:2])
    assert max(float(known[1]) for known in damage[:2]) < damage[2][1]


def test_pairs_need_no_layer_to_be_left_as_it_is() -> None:
    subject = make_subject("added")
    (all_,), (some,) = (
        MeasuredPairs(SquaredError()).damage(one)
        for one in (subject, replace(subject, choices=((TWO,), (FLOAT, THREE))))
    )
    np.testing.assert_allclose(some.table, all_.table[1:2, [0, 2]], rtol=1e-6)
