"""A layer that a table lacks is told apart from those that it has by the one attribute in which they differ."""

from __future__ import annotations

from dataclasses import replace

from hardware.tables.latency_table import LatencyTable
from hardware.tables.nearest import SIZE, find_nearest
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

CONV = LayerSpec.conv("", Convolution.square(32, 64, 3, stride=2), 16, activation="relu")


def test_the_attribute_in_which_layers_differ(table: LatencyTable) -> None:
    assert find_nearest(table, LayerSpec.linear("", 64, 4)) == {"out_features": [10]}
    assert find_nearest(table, replace(CONV, input_shape=(32, 32, 32))) == {SIZE: [(16, 16)]}
    grey = LayerSpec.conv("", Convolution.square(1, 64, 3, stride=2), 16, activation="relu")
    assert find_nearest(table, grey) == {"in_channels": [32]}
    assert find_nearest(table, replace(CONV, activation=None)) == {"activation": ['activation function="relu"']}
    assert find_nearest(table, LayerSpec.linear("", 8, 4)) == {}
