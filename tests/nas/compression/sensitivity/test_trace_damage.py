"""What traces become: mean curvature times squared error."""

from __future__ import annotations

import numpy as np

from nas.compression.sensitivity.rounding_errors import ActivationErrors
from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.sensitivity.trace_damage import compute_trace_damage
from nas.compression.subject import CompressionSubject


def test_weights_and_activations_add_up(residual: CompressionSubject) -> None:
    network, data = TappedNetwork(residual.traced), residual.need_data()
    traces = [np.array([-8.0, 3.0, 2.0])] * 3
    found = np.stack(compute_trace_damage(residual, network, traces))
    np.testing.assert_allclose(found[:, 1], found[:, 2] + found[:, 3], rtol=1e-6)  # w3a4, w3a32, w32a4
    errors = ActivationErrors(residual, network)
    network.forward(data.inputs)
    mean_squares = [float(error.square().mean()) for error in errors.compute(0, 4)]
    assert np.isclose(found[0, 3], 0.5 * (3 * mean_squares[0] + 2 * mean_squares[1]), rtol=1e-4)
    assert (found[:, 2] > 0).all()
