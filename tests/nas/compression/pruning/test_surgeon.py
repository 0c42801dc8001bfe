"""What others make up for scores nothing, and the error of a removal is that of least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nas.compression.calibration_data import CalibrationData
from nas.compression.pruning.surgeon import Surgeon
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import trace
from search_spaces.channels.coupled_channels import CoupledChannels
from search_spaces.compression_policy import LayerPolicy


def make_subject(network: nn.Module, inputs: torch.Tensor) -> CompressionSubject:
    traced = trace(network.eval(), [inputs[:2]])
    return CompressionSubject.uniform_choices(traced, [LayerPolicy()], CalibrationData(inputs))


@pytest.mark.usefixtures("double_precision")
def test_one_of_two_equal_channels_scores_nothing() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 3, 2), nn.Flatten())
    with torch.no_grad():
        network[0].weight[3:], network[0].bias[3:] = network[0].weight[:3], network[0].bias[:3]
    subject = make_subject(network, torch.randn(64, 2, 5, 5))
    scores = Surgeon(damping=1e-7).score(subject, CoupledChannels.from_graph(subject.traced.graph))
    pairs = np.sort(scores.reshape(2, 3), axis=0)
    assert (pairs[0] < 1e-5).all()
    assert (pairs[1] > 1e-2).all()


@pytest.mark.usefixtures("double_precision")
def test_the_error_is_that_of_the_layer_fitted_anew() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(3, 4), nn.Linear(4, 2)
    inputs = torch.randn(50, 3)
    subject = make_subject(nn.Sequential(first, nn.ReLU(), second), inputs)
    scores = Surgeon(damping=1e-9).score(subject, CoupledChannels.from_graph(subject.traced.graph))
    hidden = first(inputs).relu().detach()
    hidden -= hidden.mean(0)
    outputs = hidden @ second.weight.detach().T
    least = []
    for channel in range(4):
        others = hidden[:, [one for one in range(4) if one != channel]]
        rest = outputs - others @ torch.linalg.lstsq(others, outputs).solution
        least.append(float(rest.square().sum() / outputs.square().sum()))
    assert scores.min() == pytest.approx(min(least), rel=1e-4)
    assert scores.argmin() == np.argmin(least)
    assert scores.max() <= 1 + 1e-6


@pytest.mark.parametrize("options", [{"rows": 0}, {"damping": float("nan")}, {"damping": 0.0}])
def test_odd_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be a number above 0|one or more inputs"):
        Surgeon(**options)  # type: ignore[arg-type]
