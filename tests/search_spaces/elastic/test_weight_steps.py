"""The reference chooses steps that clip nothing, and weights are seen with their output channels first."""

from __future__ import annotations

import torch

from search_spaces.elastic.weight_steps import SMALLEST_STEP, MaxAbsSteps, to_output_first, to_stored_layout
from search_spaces.operators.weighted import Convolution


def test_the_largest_weight_of_a_channel_takes_the_largest_code() -> None:
    weight = torch.tensor([[[0.5], [-3.0]], [[0.0], [0.0]]])
    assert torch.allclose(MaxAbsSteps().steps(weight, 3), torch.tensor([1.0, SMALLEST_STEP]))


def test_the_layout_of_a_transposed_convolution_is_turned_and_turned_back() -> None:
    plain = Convolution(4, 6, (3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), groups=2)
    weight = torch.arange(72.0).reshape(plain.weight_shape)
    assert to_output_first(weight, plain) is weight is to_stored_layout(weight, plain)
    transposed = Convolution(4, 6, *((3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)), groups=2, transposed=True)
    stored = to_stored_layout(weight, transposed)
    assert stored.shape == transposed.parameter_shapes["weight"]
    assert torch.equal(to_output_first(stored, transposed), weight)
    # output channel 4 is the second of the second group, which reads the input channels 2 and 3
    assert torch.equal(stored[2:, 1], weight[4])
