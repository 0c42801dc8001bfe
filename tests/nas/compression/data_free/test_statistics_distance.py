"""The distance is 0 for inputs with the statistics that a network keeps, and grows as they leave them."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from nas.compression.data_free.statistics_distance import InputStatistics, StatisticsDistance
from nas.compression.tracing.trace import TracedNetwork, trace


def normalized(inputs: Tensor, *before: nn.Module) -> TracedNetwork:
    """A normalisation after other modules, with the statistics of some inputs, and what does not count after it."""
    norms = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d}
    values = nn.Sequential(*before)(inputs)
    norm = norms[values.dim()](values.shape[1], eps=1e-5)
    axes = [0, *range(2, values.dim())]
    norm.running_mean, norm.running_var = values.mean(axes).detach(), values.var(axes, correction=0).detach()
    return trace(
        nn.Sequential(*before, norm, nn.ReLU(), nn.Flatten(), nn.Linear(values[0].numel(), 3)).eval(), [inputs[:2]]
    )


def standardized(*shape: int) -> Tensor:
    """Inputs of which each channel has mean 0 and standard deviation 1, in each image and so in the batch."""
    inputs = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    axes = tuple(range(2, len(shape))) or (0,)
    return (inputs - inputs.mean(axes, keepdim=True)) / inputs.std(axes, keepdim=True, correction=0)


@pytest.mark.parametrize("reading", ["image", "batch"])
def test_inputs_with_the_statistics_that_are_kept_are_at_distance_0(reading: Literal["image", "batch"]) -> None:
    torch.manual_seed(0)
    inputs = standardized(4, 2, 5, 5)
    distance = StatisticsDistance(normalized(inputs, nn.Conv2d(2, 3, 1)), "batch")
    assert float(distance(inputs)) == pytest.approx(0, abs=1e-8)
    # the normalisation reads the images themselves here, so those of each image are right, too
    plain = StatisticsDistance(normalized(inputs), reading)
    assert float(plain(inputs)) == pytest.approx(0, abs=1e-8)
    # two values, the input and what the normalisation reads, with two channels each, are further by 2 in the mean
    assert float(plain(inputs + 2)) == pytest.approx(2 * 2 * 2**2, rel=1e-4)
    # and by 3 - 1 in the deviation
    assert float(plain(inputs * 3)) == pytest.approx(2 * 2 * 2**2, rel=1e-4)


def test_images_that_differ_have_the_statistics_of_their_batch_but_not_of_each() -> None:
    shift = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
    inputs = standardized(2, 2, 5, 5) + shift
    traced, given = normalized(inputs), InputStatistics((0.0,), (2**0.5,))
    assert float(StatisticsDistance(traced, "batch", given)(inputs)) == pytest.approx(0, abs=1e-8)
    each = 2 * 2 * (1 + (2**0.5 - 1) ** 2)  # two values of two channels: by 1 in the mean, by 0.41 in the deviation
    assert float(StatisticsDistance(traced, "image", given)(inputs)) == pytest.approx(each, rel=1e-4)


def test_where_there_is_one_position_the_batch_is_read() -> None:
    inputs = standardized(6, 4)
    assert float(StatisticsDistance(normalized(inputs), "image")(inputs)) == pytest.approx(0, abs=1e-8)


def test_networks_that_keep_no_statistics_of_inputs_are_refused() -> None:
    images = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"this network has none; give calibration data"):
        StatisticsDistance(trace(nn.Conv2d(3, 2, 1), [images]))
    tokens = nn.Sequential(nn.Embedding(9, 4), nn.BatchNorm1d(5))
    with pytest.raises(ValueError, match="reads tokens"):
        StatisticsDistance(trace(tokens, [torch.zeros(2, 5, dtype=torch.int64)]))
    norm = nn.BatchNorm2d(3)
    with pytest.raises(ValueError, match="one entry or one for each of 3 channels"):
        StatisticsDistance(trace(norm, [images]), inputs=InputStatistics((0.0, 0.0)))
    traced = trace(norm, [images])
    traced.parameters[traced.graph.nodes[0].parameters[-1]].fill_(torch.nan)
    with pytest.raises(ValueError, match="must be finite"):
        StatisticsDistance(traced)


def test_statistics_that_no_input_has_are_refused() -> None:
    with pytest.raises(ValueError, match="means of inputs must be finite"):
        InputStatistics((float("nan"),))
    with pytest.raises(ValueError, match="finite and positive"):
        InputStatistics(std=(0.0,))
