"""Damage that is measured is what whole networks with one compressed layer do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.compress import calibrate
from nas.compression.sensitivity.degradation import LossRise, SquaredError
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
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


def test_a_loss_that_falls_is_no_damage(residual: CompressionSubject) -> None:
    data = residual.need_data()
    worst = residual.traced.network()(data.inputs).argmin(1)
    subject = replace(residual, data=CalibrationData(data.inputs, worst, data.batch))
    found = np.stack(MeasuredAlone(LossRise()).damage(subject))
    assert found.min() == 0.0
    assert np.count_nonzero(found[:, 1:] == 0.0) >= 1
    with pytest.raises(ValueError, match="needs labels"):
        MeasuredAlone(LossRise()).damage(replace(subject, data=CalibrationData(data.inputs)))
