"""Layers are replicated as far as their size allows."""

from __future__ import annotations

import pytest

from hardware.profiling.workload import ReplicatedLayer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (LayerSpec.conv("", Convolution.square(16, 24), 6), 8),
        (LayerSpec.linear("", 1024, 1024), 4),
        (LayerSpec.linear("", 4096, 4096), 1),
        (LayerSpec.conv("", Convolution.square(64, 64, 3), 56), 1),
    ],
    ids=str,
)
def test_large_layers_are_replicated_less(layer: LayerSpec, count: int) -> None:
    assert ReplicatedLayer(layer, LayerPolicy()).count == count
