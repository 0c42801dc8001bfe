"""Traces of the Gauss-Newton matrix are those of the Hessian of each layer between piecewise linear functions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.gauss_newton_trace import GaussNewtonTrace
from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject
from search_spaces.compression_policy import LayerPolicy


def test_all_probes_give_the_traces_of_the_dense_hessian(perceptron: CompressionSubject, hessian: Tensor) -> None:
    unlabelled = replace(perceptron, data=CalibrationData(perceptron.need_data().inputs, batch=5))
    found = GaussNewtonTrace(tolerance=0.0).estimate(unlabelled, TappedNetwork(perceptron.traced))
    diagonal = hessian.diagonal().numpy()
    assert found.probes == 4  # of an orthogonal set, for 3 classes
    np.testing.assert_allclose(found.means[[0, 3]], [diagonal[:30].sum(), diagonal[30:].sum()], rtol=1e-4)
    np.testing.assert_array_equal(found.standard_errors, 0.0)


def test_damage_is_half_of_trace_over_size_times_squared_error(perceptron: CompressionSubject, hessian: Tensor) -> None:
    (first, _), weight = GaussNewtonTrace(tolerance=0.0).damage(perceptron), perceptron.weights[0]
    step = weight.abs().amax(1, keepdim=True)  # of 2 bits
    noise = ((weight / step).round() * step - weight).square().sum()
    expected = 0.5 * float(hessian.diagonal()[:30].sum()) / 30 * float(noise)
    np.testing.assert_allclose(first[[0, 2]], [0.0, expected], rtol=1e-4)


def test_activations_count_by_their_own_curvature(perceptron: CompressionSubject) -> None:
    policies = [LayerPolicy.quantized(32, bits) for bits in (8, 3)]
    data = CalibrationData(perceptron.need_data().inputs, batch=5)
    subject = replace(perceptron, choices=(tuple(policies),) * 2, data=data)
    fine, coarse = np.stack(GaussNewtonTrace().damage(subject)).T
    assert (fine > 0).all()
    # a step of 3 bits is 36.4 times that of 8, and damage is quadratic in it
    np.testing.assert_allclose(coarse / fine, (255 / 7) ** 2, rtol=0.5)
    assert torch.is_grad_enabled()
