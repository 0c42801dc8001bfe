"""A small latency table that the tests of tables share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hardware.device import ONNXRUNTIME_CPU, read_fingerprint
from hardware.tables.entry import LATENCY, Entry
from hardware.tables.latency_table import LatencyTable
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

CONV = LayerSpec.conv("stem", Convolution.square(32, 64, 3, stride=2), 16, activation="relu")
LINEAR = LayerSpec.linear("head", 64, 10)
W32, W7 = LayerPolicy(), LayerPolicy.quantized(7, 8)


@pytest.fixture
def table() -> LatencyTable:
    entries = {
        ((CONV.unnamed, W32),): Entry({LATENCY: 0.5}, 0.1, 60),
        ((LINEAR.unnamed, W7),): Entry({LATENCY: 0.25, "energy_mj": 0.125}, 0.0, 60),
        ((CONV.unnamed, W7), (LINEAR.unnamed, W7)): Entry({LATENCY: 0.4}, 0.2, 20),
    }
    return LatencyTable(replace(ONNXRUNTIME_CPU, threads=2)).with_entries(entries, 0.25, read_fingerprint())
