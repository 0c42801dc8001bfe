"""Steps are trained as their authors say, and the trained network is one that exports know."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.compression.compress import calibrate
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import trace
from nas.training.finetuning.learned_steps import LearnedSteps, StepLearning
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy
from search_spaces.elastic.quantizers import WeightQuantizer
from search_spaces.operators.weighted import Linear


@pytest.mark.usefixtures("double_precision")
def test_gradients_are_the_published_ones() -> None:
    # section 2.1, equation 3: the rounding error where a weight is not clipped, and else the largest code
    learned = LearnedSteps(torch.tensor([0.5]), WeightQuantizer(3), Linear(4, 1))
    weight = torch.tensor([[0.3, -0.9, 1.6, -7.0]], requires_grad=True)
    rounded = learned(weight)
    assert rounded.tolist() == [[0.5, -1.0, 1.5, -1.5]]
    rounded.sum().backward()
    assert weight.grad is not None
    assert learned.multiples.grad is not None
    assert weight.grad.tolist() == [[1, 1, 0, 0]]
    own = (1 - 0.6) + (-2 + 1.8) + 3 - 3
    assert learned.multiples.grad.item() == pytest.approx(own * 0.5)  # of a multiple of the step of 0.5


@pytest.mark.parametrize("group", ["", "-g2"])
def test_what_was_trained_is_rounded_to_itself(group: str) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(147, 3)
    )
    images = torch.rand(4, 2, 8, 8)
    traced = trace(module, [images])
    policy = CompressionPolicy(tuple(map(LayerPolicy.parse, (f"w3a8{group}", f"w4a8{group}", "w32a8"))))
    network = compress(traced, policy)
    calibrate(network, [images])
    before = network(images)
    learning = StepLearning(network)
    assert len(learning.multiples) == 2
    torch.testing.assert_close(network(images), before)
    with torch.no_grad():
        for multiples in learning.multiples.values():
            multiples *= torch.linspace(0.6, 1.1, len(multiples))
    trained = network(images)
    assert not torch.allclose(trained, before)
    learning.finish()
    torch.testing.assert_close(network(images), trained, rtol=0, atol=1e-6)
    assert [network.weight_quantizer(layer.weight) is not None for layer in traced.graph.layers] == [True, True, False]
