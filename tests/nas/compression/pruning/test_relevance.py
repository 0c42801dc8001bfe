"""Relevance is conserved from layer to layer, and finds what a prediction rests on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.pruning.relevance import Relevance, propagate_relevance
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import LayerPolicy


def test_what_layers_hand_on_sums_to_what_they_got() -> None:
    """Inputs and weights are positive, so something adds to every output."""
    torch.manual_seed(0)
    parts = (
        nn.Conv2d(2, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(5, 4, 3),
        nn.ReLU(),
    )
    network = nn.Sequential(*parts, nn.Flatten(), nn.Linear(4, 3)).eval()
    for parameter in network.parameters():
        parameter.data.abs_()
    inputs = torch.rand(6, 2, 6, 6)
    sums: dict[str, Tensor] = {}
    traced = trace(network, [inputs[:2]])
    found = propagate_relevance(traced, inputs, None, lambda name, one: sums.update({name: one.flatten(1).sum(1)}))
    assert len(sums) == 3
    for total in (*sums.values(), found.flatten(1).sum(1)):
        torch.testing.assert_close(total, torch.ones(6), rtol=1e-5, atol=1e-5)


def test_planted_channels_are_ranked_as_planted() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(4))
        network[2].weight.copy_(torch.tensor([[0.1, 3.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]))
    data = CalibrationData(torch.rand(16, 4) + 0.5)
    subject = CompressionSubject.uniform_choices(trace(network, [data.inputs[:2]]), [LayerPolicy()], data)
    scores = Relevance().score(subject, CoupledChannels.from_graph(subject.traced.graph))
    assert np.argsort(-scores).tolist() == [1, 3, 0, 2]
    assert scores.sum() == pytest.approx(1)


def test_an_attention_is_refused() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, self.value(x))

    data = CalibrationData(torch.randn(2, 3, 4))
    subject = CompressionSubject.uniform_choices(trace(Attending(), [data.inputs]), [LayerPolicy()], data)
    with pytest.raises(ValueError, match="relevance is not passed through operator attention"):
        Relevance().score(subject, CoupledChannels.from_graph(subject.traced.graph))
