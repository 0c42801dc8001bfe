"""Damage that is measured is what whole networks with one compressed layer do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.compression.allocation.allocation_problem import AllocationProblem, Budget
from nas.compression.allocation.registry import ALLOCATORS
from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.sensitivity.degradation import LossRise, SquaredError
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from nas.data.sources import load_images
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy


def squared_error(subject: CompressionSubject, layer: int, choice: int) -> float:
    entries = [LayerPolicy()] * len(subject.choices)
    entries[layer] = subject.choices[layer][choice]
    network, data = compress(subject.traced, CompressionPolicy(tuple(entries))), subject.need_data()
    calibrate(network, data, subject.methods.observer)
    with torch.no_grad():
        difference: Tensor = network(data.inputs) - subject.traced.network()(data.inputs)
    return float(difference.square().mean())


def test_damage_is_the_mean_over_all_samples_whatever_the_batches(residual: CompressionSubject) -> None:
    found = MeasuredAlone(SquaredError()).damage(residual)
    expected = [[0.0] + [squared_error(residual, layer, choice) for choice in (1, 2, 3)] for layer in range(3)]
    np.testing.assert_allclose(np.stack(found), expected, rtol=1e-4)


def count_global(scores: list[Tensor], share: float) -> list[float]:
    """The share of zeros in each layer if those of the least score in the whole network are zero."""
    bound = torch.cat(scores).quantile(share)
    return [float((score <= bound).double().mean()) for score in scores]


def score_by_lamp(weight: Tensor) -> Tensor:
    """The square of each weight over those of all that are as large or larger (Lee et al., ICLR 2021), ascending."""
    squares = weight.flatten().double().square().sort().values
    return squares / squares.flip(0).cumsum(0).flip(0)


def test_zeros_that_are_allocated_distort_less_than_by_the_usual_rules() -> None:
    """METHODS 3.9: at 90 % of zeros, in shares that all rules may take, on digits."""
    torch.manual_seed(0)
    digits = load_images("digits", 200)
    inputs = digits.transform.inputs(digits.validation.images, 8)
    layers = (nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    shares = [0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99]
    policies = [LayerPolicy.parse(f"w32a32-sparse{share}") if share else LayerPolicy() for share in shares]
    traced = trace(nn.Sequential(*layers).eval(), [inputs[:2]])
    subject = CompressionSubject.uniform_choices(traced, policies, CalibrationData(inputs))
    damage, weights = MeasuredAlone(SquaredError()).damage(subject), [one.flatten() for one in subject.weights]
    kept = tuple(len(weight) * (1 - np.array(shares)) for weight in weights)
    budget = Budget("weights", kept, 0.1 * sum(map(len, weights)))
    problem = AllocationProblem(damage, (budget,))
    found = problem.damage_of(ALLOCATORS["dynamic_program"]().allocate(problem))
    rules = {
        "uniform": [0.9] * 3,
        "magnitude": count_global([weight.abs() for weight in weights], 0.9),
        "lamp": count_global([score_by_lamp(weight) for weight in weights], 0.9),
    }
    for rule, wanted in rules.items():
        chosen = tuple(np.searchsorted(shares, np.minimum(wanted, 0.99) - 1e-9).tolist())
        assert not problem.excesses(chosen)
        assert found <= problem.damage_of(chosen), rule


def test_a_loss_that_falls_is_no_damage(residual: CompressionSubject) -> None:
    data = residual.need_data()
    worst = residual.traced.network()(data.inputs).argmin(1)
    subject = replace(residual, data=CalibrationData(data.inputs, worst, data.batch))
    found = np.stack(MeasuredAlone(LossRise()).damage(subject))
    assert found.min() == 0.0
    assert np.count_nonzero(found[:, 1:] == 0.0) >= 1
    with pytest.raises(ValueError, match="needs labels"):
        MeasuredAlone(LossRise()).damage(replace(subject, data=CalibrationData(data.inputs)))
