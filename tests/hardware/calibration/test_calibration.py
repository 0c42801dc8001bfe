"""Calibration finds what networks cost besides their layers, and says how far off it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hardware.calibration.calibration import MeasuredNetworks, fit_calibration
from hardware.calibration.conversions import Conversions
from hardware.calibration.tensor_use import TensorUse
from hardware.calibration.tensors import Tensor

USES = (TensorUse.parse("float"), TensorUse.parse("int8"))
CONVERSIONS = Conversions(USES, np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 3.0]]))
FACTORS, PRECISIONS = np.array([1.0, 1.0, 1.3, 1.2]), np.array([0, 0, 1, 1], np.int32)
COSTS_MS, COSTS_MS_PER_ELEMENT = np.array([0.002, 0.01]), np.array([1e-6, 4e-6])


def _sample(count: int, noise: float = 0.0) -> MeasuredNetworks:
    """Networks of 12 tensors whose operators cost the above, whose 8-bit layers are slow and that need 0.05 ms more."""
    rng = np.random.default_rng(0)
    sums, uses = rng.uniform(0.1, 1.0, (count, 4)), rng.integers(0, 2, (count, 12))
    elements = rng.integers(100, 20_000, (count, 12))
    tensors = [
        [Tensor(USES[use], size) for use, size in zip(*both, strict=True)]
        for both in zip(uses.tolist(), elements.tolist(), strict=True)
    ]
    added = CONVERSIONS.count_operators(tensors) @ np.concatenate([COSTS_MS, COSTS_MS_PER_ELEMENT])
    measured = (sums @ FACTORS + 0.05 + added) * rng.normal(1.0, noise, count)
    return MeasuredNetworks(sums, PRECISIONS, tensors, measured)


def test_finds_what_operators_cost() -> None:
    sample = _sample(200, noise=0.005)
    found, factors = fit_calibration(sample, CONVERSIONS)
    assert factors == pytest.approx(FACTORS, abs=0.03)
    per_element = [found.tensors.by_use[use].latency_ms_per_element for use in USES]
    assert per_element == pytest.approx([1e-6, 12e-6], rel=0.2)
    other = _sample(300)
    predicted = other.layers_ms @ factors + found.constant_ms
    predicted += [found.tensors.total(network) for network in other.tensors]
    assert np.abs(predicted / other.measured_ms - 1).max() < 0.01
    assert found.quality is not None
    assert found.quality.error_percent < 0.6
    assert found.quality.networks == 200


def test_the_error_is_that_of_networks_left_out() -> None:
    rng = np.random.default_rng(1)
    sample = _sample(40)
    lottery = replace(sample, measured_ms=rng.uniform(1.0, 2.0, 40))
    quality = fit_calibration(lottery, CONVERSIONS)[0].quality
    assert quality is not None
    assert quality.explained < 0.2


def test_few_networks_leave_the_sum_of_the_layers() -> None:
    sample = _sample(4)
    _, factors = fit_calibration(replace(sample, measured_ms=sample.layers_ms.sum(axis=1)), CONVERSIONS)
    assert factors == pytest.approx(np.ones(4), abs=0.05)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_are_fitted_and_tell_no_error_on_others(count: int) -> None:
    sample = _sample(count)
    found, factors = fit_calibration(sample, CONVERSIONS)
    predicted = sample.layers_ms @ factors + found.constant_ms
    predicted += [found.tensors.total(network) for network in sample.tensors]
    assert predicted == pytest.approx(sample.measured_ms, rel=0.02)  # each was measured itself
    assert found.quality is None


def test_nothing_is_built_on_what_rounding_leaves_of_a_zero() -> None:
    rare = TensorUse.parse("float -> 1 softmax")
    counts = np.hstack([np.vstack([CONVERSIONS.counts, [0.0, 0.0]]), [[1e-17], [1e-17], [1.0]]])
    elements = np.hstack([np.vstack([CONVERSIONS.elements, [0.0, 0.0]]), np.zeros((3, 1))])
    sample = _sample(40, noise=0.005)
    tensors = [[*network, Tensor(rare, 100)] if row == 3 else network for row, network in enumerate(sample.tensors)]
    found, _ = fit_calibration(replace(sample, tensors=tensors), Conversions((*USES, rare), counts, elements))
    assert found.quality is not None
    assert found.quality.error_percent < 5.0


@pytest.mark.parametrize("measured", [np.ones(0), np.ones(3), -np.ones(8), np.full(8, np.nan)])
def test_refuses_unusable_data(measured: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"a calibration needs one or more networks|latencies must be positive"):
        replace(_sample(8), measured_ms=measured)
