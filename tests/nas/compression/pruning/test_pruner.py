"""What is left of a network makes up for what is gone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.pruning.narrow_network import narrow_network
from nas.compression.pruning.pruner import Pruner
from nas.compression.pruning.width_damage import WidthDamage
from nas.compression.pruning.widths import Widths
from nas.compression.repair.recipe import Recipe
from nas.compression.repair.repair import output_distance, outputs_on
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork, trace
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import LayerPolicy

FIRM = Recipe(damping=1e-6)


class Doubled(nn.Module):
    """Every channel of the hidden layer is there twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 8, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
        with torch.no_grad():
            self.first.weight[4:] = self.first.weight[:4]
            self.first.bias[4:] = self.first.bias[:4]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.second(F.relu(self.first(x)))).mean((2, 3)))


def test_what_is_there_twice_is_not_missed() -> None:
    torch.manual_seed(0)
    data = CalibrationData(torch.randn(64, 2, 6, 6))
    subject = CompressionSubject.uniform_choices(trace(Doubled().eval(), [data.inputs[:2]]), [LayerPolicy()], data)
    channels = CoupledChannels.from_graph(subject.traced.graph)
    kept = channels.keep_all()
    kept[4:8] = False
    expected, inputs = subject.traced.network(), torch.randn(5, 2, 6, 6)
    for alone in (True, False):
        narrow = Pruner(subject, channels, FIRM).prune(kept, alone)
        assert narrow.parameters["first.weight"].shape == (4, 2, 3, 3)
        torch.testing.assert_close(narrow.network()(inputs), expected(inputs), rtol=1e-3, atol=1e-3)


def distance(subject: CompressionSubject, network: TracedNetwork) -> float:
    one, other = (outputs_on(found.network(), subject.need_data()) for found in (subject.traced, network))
    return float(output_distance(one, other, subject.task))


def test_fitted_networks_are_closer_and_the_whole_one_stays(subject: CompressionSubject) -> None:
    channels = CoupledChannels.from_graph(subject.traced.graph)
    pruner, kept = Pruner(subject, channels), channels.keep_all()
    assert distance(subject, pruner.prune(kept)) < 1e-6
    kept[[0, 3, 6, 9, 12]] = False
    before = {name: tensor.clone() for name, tensor in subject.traced.parameters.items()}
    removed = narrow_network(subject.traced, channels, kept)
    assert distance(subject, pruner.prune(kept)) < 0.5 * distance(subject, removed)
    assert all(torch.equal(subject.traced.parameters[name], tensor) for name, tensor in before.items())
    with pytest.raises(ValueError, match="this needs calibration data"):
        Pruner(replace(subject, data=None), channels)


def test_damages_are_those_of_one_group_alone_or_of_widths_together(subject: CompressionSubject) -> None:
    channels = CoupledChannels.from_graph(subject.traced.graph)
    widths = Widths.evenly(channels, np.arange(14.0), 2)
    stem, hidden = WidthDamage().measure(subject, widths)
    assert (stem[0], hidden[0], stem.shape, hidden.shape) == (0.0, 0.0, (2,), (2,))
    assert min(stem[1], hidden[1]) > 0
    pruner = Pruner(subject, channels)
    assert stem[1] == pytest.approx(distance(subject, pruner.prune(widths.keep_chosen([1, 0]), True)))
    together = WidthDamage().judge_allocations(subject, widths, subject.need_data())
    assert together([1, 1]) == pytest.approx(distance(subject, pruner.prune(widths.keep_chosen([1, 1]))))
    assert together([1, 1]) > together([1, 0]) > together([0, 0])
