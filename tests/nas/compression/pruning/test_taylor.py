"""The score of a channel is what its removal costs, to second order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.pruning.narrow_network import narrow_network
from nas.compression.pruning.taylor import Taylor
from nas.compression.repair.repair import output_distance, outputs_on
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import LayerPolicy


def test_of_a_linear_network_with_a_squared_error_it_is_exact() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    data = CalibrationData(torch.randn(64, 3))
    subject = CompressionSubject.uniform_choices(trace(network, [data.inputs[:2]]), [LayerPolicy()], data)
    channels = CoupledChannels.from_graph(subject.traced.graph)
    measured = []
    for channel in range(4):
        kept = channels.keep_all()
        kept[channel] = False
        narrow = narrow_network(subject.traced, channels, kept)
        expected, found = (outputs_on(one.network(), data) for one in (subject.traced, narrow))
        measured.append(float(output_distance(expected, found, None)))
    np.testing.assert_allclose(Taylor().score(subject, channels), measured, rtol=1e-4)


def test_without_a_probe_there_is_no_score() -> None:
    with pytest.raises(ValueError, match="gradients need one or more probes, got 0"):
        Taylor(probes=0)
