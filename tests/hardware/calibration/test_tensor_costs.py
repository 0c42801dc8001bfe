"""Tensors cost what their use costs; unknown uses what is nearest to them."""

from __future__ import annotations

import pytest

from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_use import TensorUse
from hardware.calibration.tensors import Tensor

COSTS = TensorCosts(
    {
        TensorUse.parse("float -> 1 float"): TensorCost(1.0, 0.0),
        TensorUse.parse("float -> 1 int8"): TensorCost(3.0, 1.0),
        TensorUse.parse("int8 -> 2 float"): TensorCost(5.0, 0.0),
    }
)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("float -> 1 int8", 3 + 10),
        ("float -> 9 int8", 2 + 5),  # as both known uses of floating-point layers on average
        ("softmax(int8) -> 1 int8", 3 + 10 / 3),  # as all
    ],
)
def test_a_tensor_costs_as_its_use_or_its_producer_or_all(text: str, cost: float) -> None:
    assert COSTS.price(TensorUse.parse(text), 10) == pytest.approx(cost)


def test_a_network_costs_the_sum_of_its_tensors() -> None:
    use = TensorUse.parse("float -> 1 int8")
    assert COSTS.total([Tensor(use, 10), Tensor(use, 20)]) == 13 + 23
    assert TensorCosts().total([Tensor(use, 10)]) == 0
