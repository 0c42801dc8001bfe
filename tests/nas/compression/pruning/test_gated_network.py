"""A closed gate does what removing the channel does."""

from __future__ import annotations

import pytest
import torch

from nas.compression.pruning.gated_network import GatedNetwork
from nas.compression.pruning.narrow_network import narrow_network
from nas.compression.subject import CompressionSubject
from search_spaces.channels.coupled_channels import CoupledChannels


@pytest.mark.usefixtures("double_precision")
def test_a_closed_gate_removes_a_channel_and_open_ones_nothing(subject: CompressionSubject) -> None:
    traced, inputs = subject.traced, subject.need_data().inputs[:4]
    channels = CoupledChannels.from_graph(traced.graph)
    gated, gates = GatedNetwork(traced, channels), torch.ones(1, channels.count)
    torch.testing.assert_close(gated.forward(inputs, gates), traced.network()(inputs))
    for channel in (0, 7, 12):
        kept, closed = channels.keep_all(), gates.clone()
        kept[channel], closed[0, channel] = False, 0.0
        narrow = narrow_network(traced, channels, kept).network()
        torch.testing.assert_close(gated.forward(inputs, closed), narrow(inputs))
