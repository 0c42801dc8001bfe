"""Errors of weights and activations are those of the quantisers that networks are compressed with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nas.compression.compress import calibrate
from nas.compression.sensitivity.rounding_errors import ActivationErrors, compute_weight_error
from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.quantizers import ActivationQuantizer


def test_weights_are_rounded_and_32_bits_leave_them(perceptron: CompressionSubject) -> None:
    weight = perceptron.weights[0]
    found = compute_weight_error(perceptron, 0, LayerPolicy.quantized(2))
    step = weight.abs().amax(1, keepdim=True)
    torch.testing.assert_close(found, (weight / step).round() * step - weight)
    assert not compute_weight_error(perceptron, 0, LayerPolicy.quantized(32, 8)).any()


@pytest.mark.parametrize(
    "text",
    [
        "w4a32-rank0.75",
        "w32a32-rank0.4",
        "w3a32-sparse0.5",
        "w8a32-rank0.75-sparse0.25",
        "w2a32-correct0.6",
        "w2a32-g2-correct0.6",
    ],
)
def test_what_runs_under_a_rank_a_correction_or_zeros_is_the_weight_and_its_error(
    residual: CompressionSubject, text: str
) -> None:
    policy = LayerPolicy.parse(text)
    tensors = dict(residual.traced.parameters)
    name = residual.traced.graph.layers[1].weight
    tensors[name] = residual.weights[1] + compute_weight_error(residual, 1, policy)
    expected = replace(residual.traced, parameters=tensors).network()(residual.need_data().inputs)
    alone = (LayerPolicy(), policy, LayerPolicy())
    found = compress(residual.traced, CompressionPolicy(alone))(residual.need_data().inputs)
    torch.testing.assert_close(found, expected)


def test_a_correction_takes_the_more_of_the_rounding_the_higher_its_rank(perceptron: CompressionSubject) -> None:
    texts = ["w2a32", *(f"w2a32-correct{share}" for share in (0.4, 0.8))]
    errors = [float(compute_weight_error(perceptron, 0, LayerPolicy.parse(text)).square().sum()) for text in texts]
    assert errors == sorted(errors, reverse=True)
    assert 2 * errors[-1] < errors[0]


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
