"""Norms are taken over all that write or read a channel, and over the mean of the group."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nas.compression.pruning.magnitude import Magnitude
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import LayerPolicy


def test_norms_by_hand() -> None:
    network = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[3.0], [0.0]]))
        network[1].weight.copy_(torch.tensor([[4.0, 1.0]]))
    subject = CompressionSubject.uniform_choices(trace(network, [torch.zeros(2, 1)]), [LayerPolicy()])
    found = Magnitude().score(subject, CoupledChannels.from_graph(subject.traced.graph))
    np.testing.assert_allclose(found, np.array([5.0, 1.0]) / 3)
