"""Steps of groups are counted and priced, and asked of no layer that has no whole groups."""

from __future__ import annotations

import pytest

from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution, Embedding, Linear
from search_spaces.weight_groups import check_group_size, count_steps


def test_what_has_no_whole_groups_of_inputs_is_refused() -> None:
    check_group_size(Linear(64, 10), 32)
    check_group_size(Convolution.square(64, 64, 3, groups=2), 32)
    with pytest.raises(ValueError, match="groups of 32 need a multiple of as many input channels, got 16"):
        check_group_size(Convolution.square(64, 64, 3, groups=4), 32)
    with pytest.raises(ValueError, match="for linear layers and convolutions, got embedding"):
        check_group_size(Embedding(64, 64), 32)


def test_a_group_holds_all_places_of_a_kernel() -> None:
    convolution = Convolution.square(64, 10, 3)
    assert count_steps(convolution, None) == 10
    assert count_steps(convolution, 16) == 10 * 64 // 16


def test_factors_need_whole_groups_too() -> None:
    layer = LayerSpec.linear("a", 64, 64)  # the rank is 16 at a share of a half
    assert len(expand_layer(layer, LayerPolicy.parse("w4a8-g16-rank0.5"))) == 2
    with pytest.raises(ValueError, match="groups of 32 need a multiple of as many input channels, got 16"):
        expand_layer(layer, LayerPolicy.parse("w4a8-g32-rank0.5"))
