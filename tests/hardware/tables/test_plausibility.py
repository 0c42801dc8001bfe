"""Latencies in seconds are told from latencies in milliseconds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hardware.device import ONNXRUNTIME_CPU, TORCH_CUDA, Device
from hardware.tables.entry import LATENCY, Entry
from hardware.tables.latency_table import LatencyTable
from hardware.tables.plausibility import check_plausible
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

LAYERS = [LayerSpec.conv("", Convolution.square(64, width, 3), 16, activation="relu") for width in (32, 64, 128)]
MS = {LayerPolicy(): 50e9, LayerPolicy.quantized(8, 8): 150e9}  # operations per second of an ordinary core


def _table(unit: float) -> LatencyTable:
    entries = {
        ((layer, policy),): Entry({LATENCY: 2 * layer.macs / speed * 1e3 * unit})
        for layer in LAYERS
        for policy, speed in MS.items()
    }
    return LatencyTable(ONNXRUNTIME_CPU, entries)


def test_seconds_are_no_milliseconds() -> None:
    check_plausible(_table(1.0))
    with pytest.raises(ValueError, match=r"w32a32 would run at 50,000 .* cannot exceed 400; .* in milliseconds"):
        check_plausible(_table(1e-3))


def test_one_noisy_entry_is_no_mistake_of_units() -> None:
    table = _table(1.0)
    noisy = replace(table, entries={**table.entries, ((LAYERS[0], LayerPolicy()),): Entry({LATENCY: 1e-5})})
    check_plausible(noisy)


def test_other_devices_need_their_peak() -> None:
    table = replace(_table(1e-3), device=Device("npu", "compiler"))
    check_plausible(table)
    with pytest.raises(ValueError, match="must be above 0"):
        check_plausible(table, peak_gops=0.0)
    with pytest.raises(ValueError, match="no latency_ms of a single layer"):
        check_plausible(replace(table, entries={}), peak_gops=1.0)
    check_plausible(replace(_table(1e-3), device=TORCH_CUDA))
    with pytest.raises(ValueError, match=r"on 'npu', which cannot exceed 1,000"):
        check_plausible(table, peak_gops=1000.0)
