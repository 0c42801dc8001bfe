"""Variants over shared beginnings compute what whole compressed networks do."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.compression.compress import calibrate
from nas.compression.sensitivity.layer_variants import LayerVariants, join_outputs
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.compress import compress
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy


def compress_alone(subject: CompressionSubject, layer: int, choice: int) -> Tensor:
    entries = [LayerPolicy()] * len(subject.choices)
    entries[layer] = subject.choices[layer][choice]
    network = compress(subject.traced, CompressionPolicy(tuple(entries)))
    calibrate(network, subject.need_data(), subject.methods.observer)
    with torch.no_grad():
        outputs: Tensor = network(subject.need_data().inputs)
    return outputs


def test_variants_compute_what_networks_with_one_compressed_layer_do(residual: CompressionSubject) -> None:
    inputs = residual.need_data().inputs
    found = [(one.layer, one.choice, outputs) for one, outputs in LayerVariants(residual).run(inputs)]
    assert [(layer, choice) for layer, choice, _ in found] == [(row, k) for row in range(3) for k in (1, 2, 3)]
    for layer, choice, outputs in found:
        torch.testing.assert_close(outputs, compress_alone(residual, layer, choice), rtol=1e-5, atol=1e-6)


def test_several_outputs_are_one_tensor() -> None:
    first, second = torch.ones(2, 3), torch.zeros(2, 2, 2)
    assert join_outputs(first) is first
    assert join_outputs((first,)) is first
    assert join_outputs((first, second)).shape == (2, 7)
