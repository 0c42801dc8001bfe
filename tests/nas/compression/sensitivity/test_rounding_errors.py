"""Errors of weights and activations are those of the quantisers that networks are compressed with."""

from __future__ import annotations

import torch

from nas.compression.compress import calibrate
from nas.compression.sensitivity.rounding_errors import ActivationErrors, compute_weight_error
from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.quantizers import ActivationQuantizer
from search_spaces.elastic.weight_steps import MaxAbsSteps


def test_weights_are_rounded_and_32_bits_leave_them() -> None:
    weight = torch.tensor([[1.0, 0.4, -0.2]])
    found = compute_weight_error(weight, LayerPolicy.quantized(2), MaxAbsSteps())
    torch.testing.assert_close(found, torch.tensor([[0.0, -0.4, 0.2]]))
    assert not compute_weight_error(weight, LayerPolicy.quantized(32, 8), MaxAbsSteps()).any()


def test_activations_are_rounded_over_the_ranges_of_all_data(residual: CompressionSubject) -> None:
    data, network = residual.need_data(), TappedNetwork(residual.traced)
    errors = ActivationErrors(residual, network)
    network.forward(data.inputs[:4])
    found = errors.compute(1, 4)
    assert not errors.compute(1, 32)
    alone = [LayerPolicy(), LayerPolicy.quantized(32, 4), LayerPolicy()]
    compressed = compress(residual.traced, CompressionPolicy(tuple(alone)))
    calibrate(compressed, data, residual.methods.observer)
    quantizer = next(module for module in compressed.modules() if isinstance(module, ActivationQuantizer))
    value = network.values(1)[0].detach()
    torch.testing.assert_close(found[0], quantizer(value) - value)
