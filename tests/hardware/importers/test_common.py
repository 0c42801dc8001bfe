"""Costs by bits become a table that tells layers apart by their shapes alone."""

from __future__ import annotations

from dataclasses import replace

from hardware.device import Device, Precision
from hardware.importers.common import build_bit_table
from hardware.tables.entry import LATENCY
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec

LINEAR = LayerSpec.linear("head", 64, 10)


def test_the_device_gets_a_precision_for_every_pair_of_bits() -> None:
    shape = replace(LINEAR, name="")
    table = build_bit_table(Device("npu", "simulator"), {(shape, 4, 8): {LATENCY: 2.0}, (shape, 8, 8): {LATENCY: 3.0}})
    assert table.device.precisions == (Precision((8,), 8), Precision((4,), 8))
    assert table.origin == "imported"
    without_bias = LayerSpec.linear("other", 64, 10, bias=False)
    assert [table.latency_ms(without_bias, LayerPolicy.quantized(bits, 8)) for bits in (4, 8)] == [2.0, 3.0]
