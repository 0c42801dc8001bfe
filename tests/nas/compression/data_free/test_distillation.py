"""Distilled images have the statistics that a network keeps, and are the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas.compression.data_free.distillation import Distillation, distill_data
from nas.compression.data_free.statistics_distance import StatisticsDistance
from nas.compression.tracing.compress import compress
from nas.compression.tracing.trace import TracedNetwork, trace
from search_spaces.compression_policy import CompressionPolicy, LayerPolicy

FEW = Distillation(images=5, batch=2, iterations=3)


@pytest.fixture(scope="module")
def traced() -> TracedNetwork:
    """A convolution that keeps the statistics of a smooth image, whose outputs vary more than those of noise."""
    torch.manual_seed(0)
    smooth = F.interpolate(torch.randn(1, 3, 3, 3), 8, mode="bilinear")
    smooth = (smooth - smooth.mean((2, 3), keepdim=True)) / smooth.std((2, 3), keepdim=True)
    convolution, norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
    values = convolution(smooth).detach()
    norm.running_mean, norm.running_var = values.mean((0, 2, 3)), values.var((0, 2, 3))
    return trace(nn.Sequential(convolution, norm, nn.Flatten(), nn.Linear(144, 3)).eval(), [smooth])


@pytest.mark.parametrize("reading", ["image", "batch"])
def test_the_distance_falls_below_a_thousandth(traced: TracedNetwork, reading: str) -> None:
    distillation = Distillation(images=8, batch=8, reading=reading)  # type: ignore[arg-type]
    distance = StatisticsDistance(traced, distillation.reading)
    noise = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = distill_data(traced, distillation)
    assert float(distance(found.inputs)) < 1e-3 * float(distance(noise))


def test_a_seed_names_the_images_and_the_network_stays(traced: TracedNetwork) -> None:
    before = traced.digest()
    found, again = distill_data(traced, FEW), distill_data(traced, FEW)
    assert [len(batch) for batch in found] == [2, 2, 1]
    assert torch.equal(found.inputs, again.inputs)
    fewer, other = distill_data(traced, Distillation(2, 2, 3)), distill_data(traced, Distillation(2, 2, 3, seed=1))
    assert torch.equal(found.inputs[:2], fewer.inputs)
    assert not torch.equal(fewer.inputs, other.inputs)
    assert traced.digest() == before
    assert all(tensor.grad is None for tensor in traced.parameters.values())


def test_a_layer_that_is_not_quantised_changes_no_output(traced: TracedNetwork) -> None:
    """The divergence from the original is exactly 0, not about 0."""
    inputs = distill_data(traced, FEW).inputs
    policy = CompressionPolicy((LayerPolicy(),) * len(traced.graph.layers))
    with torch.no_grad():
        ours, theirs = (network(inputs).log_softmax(1) for network in (compress(traced, policy), traced.network()))
    assert float((theirs.exp() * (theirs - ours)).sum()) == 0


def test_a_network_of_one_batch_size_gets_batches_of_it(traced: TracedNetwork) -> None:
    fixed = TracedNetwork(replace(traced.graph, batch=2), traced.parameters)
    with pytest.raises(ValueError, match="needs batch=2 and a multiple of it as images; got batch=2 and images=5"):
        distill_data(fixed, FEW)
    assert len(distill_data(fixed, Distillation(4, 2, 1))) == 4


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="iterations must be 1 or more, got 0"):
        Distillation(iterations=0)
    with pytest.raises(ValueError, match="learning_rate must be positive and finite, got nan"):
        Distillation(learning_rate=float("nan"))
    with pytest.raises(ValueError, match="reading must be image or batch, got 'both'"):
        Distillation(reading="both")  # type: ignore[arg-type]
