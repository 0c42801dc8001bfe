"""Traces from products with the Hessian, against the dense one."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from nas.compression.sensitivity.hutchinson_trace import HutchinsonTrace
from nas.compression.sensitivity.loss_hessian import LossHessian
from nas.compression.subject import CompressionSubject


def test_the_mean_is_the_trace_within_three_standard_errors(perceptron: CompressionSubject, hessian: Tensor) -> None:
    found = HutchinsonTrace(most_probes=200, tolerance=0.0).estimate(LossHessian(perceptron))
    diagonal = hessian.diagonal().numpy()
    expected = np.array([diagonal[:30].sum(), diagonal[30:].sum()])
    assert found.probes == 200
    assert (np.abs(found.means[[0, 3]] - expected) < 3 * found.standard_errors[[0, 3]]).all()
    assert (found.standard_errors[[0, 3]] < 0.15 * expected).all()


def test_it_stops_by_its_rule(perceptron: CompressionSubject) -> None:
    found = HutchinsonTrace(tolerance=0.3).estimate(LossHessian(perceptron))
    assert 4 <= found.probes <= 64
    assert (found.standard_errors <= 0.3 * np.abs(found.means)).all() or found.probes == 64
