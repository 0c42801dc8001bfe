"""Gradients times errors, on layers where they are exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.degradation import SquaredError
from nas.compression.sensitivity.fisher import Fisher
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.compression_policy import LayerPolicy


def test_it_is_the_distortion_of_a_linear_layer_with_one_output() -> None:
    torch.manual_seed(0)
    traced = trace(nn.Linear(6, 1), [torch.zeros(2, 6)])
    data = CalibrationData(torch.randn(1000, 6), batch=300)
    policies = [LayerPolicy.parse(text) for text in ("w32a32", "w3a32", "w32a3")]
    subject = CompressionSubject.uniform_choices(traced, policies, data)
    (found,), (expected,) = Fisher().damage(subject), MeasuredAlone(SquaredError()).damage(subject)
    np.testing.assert_allclose(found[:2], expected[:2], rtol=1e-4)
    np.testing.assert_allclose(found[2:], expected[2:], rtol=0.2)  # the output is rounded anew


def test_more_draws_come_nearer_to_the_divergence(residual: CompressionSubject) -> None:
    data = residual.need_data()
    few = replace(residual, data=CalibrationData(data.inputs.repeat(40, 1, 1, 1), batch=100))
    found, again = (np.stack(Fisher(seed=seed).damage(few)) for seed in (0, 1))
    assert (found[:, 0] == 0).all()
    assert (found[:, 1:] > 0).all()
    np.testing.assert_allclose(found, again, rtol=0.5)


def test_labels_are_used_where_there_are_some(residual: CompressionSubject) -> None:
    empirical, own = np.stack(Fisher().damage(residual)), np.stack(Fisher(own_predictions=True).damage(residual))
    unlabelled = replace(residual, data=CalibrationData(residual.need_data().inputs, batch=4))
    assert not np.allclose(empirical, own)
    np.testing.assert_array_equal(np.stack(Fisher().damage(unlabelled)), own)
    with pytest.raises(ValueError, match="needs calibration data"):
        Fisher().damage(replace(residual, data=None))
