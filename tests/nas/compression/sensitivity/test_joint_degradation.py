"""Whole policies, measured."""

from __future__ import annotations

import numpy as np

from nas.compression.sensitivity.degradation import SquaredError
from nas.compression.sensitivity.joint_degradation import measure_degradations
from nas.compression.sensitivity.measured_alone import MeasuredAlone
from nas.compression.subject import CompressionSubject


def test_one_compressed_layer_is_what_is_measured_alone(residual: CompressionSubject) -> None:
    alone = np.stack(MeasuredAlone(SquaredError()).damage(residual))
    chosen = [tuple(np.where(np.arange(3) == layer, 1, 0).tolist()) for layer in range(3)]
    found = measure_degradations(residual, [(0, 0, 0), *chosen], SquaredError())
    np.testing.assert_allclose(found, [0.0, *alone[:, 1]], rtol=1e-4)
