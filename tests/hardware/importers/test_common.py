"""Columns are checked, and costs by bits become a table that tells layers apart by their shapes alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hardware.device import Device, Precision
from hardware.importers.common import build_bit_table, read_csv
from hardware.tables.entry import LATENCY
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec

LINEAR = LayerSpec.linear("head", 64, 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nstem\n", "must have the columns name, latency_ms, std_ms; it lacks latency_ms, std_ms"),
        ("name,latency_ms,std_ms\nstem,0,0\n", "latency_ms must be a number above 0 in every row"),
        ("name,latency_ms,std_ms\nstem,fast,0\n", "latency_ms must be a number above 0 in every row"),
        ("name,latency_ms,std_ms\nstem,1,-1\n", "std_ms must be a number"),
        ("", "is not a CSV file"),
    ],
)
def test_files_without_usable_columns_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "layers.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_csv(tmp_path / "layers.csv", "name", "latency_ms", "std_ms")


def test_a_deviation_may_be_0_and_other_columns_are_kept(tmp_path: Path) -> None:
    (tmp_path / "layers.csv").write_text("name,latency_ms,std_ms,note\nstem,1,0,x\n")
    assert read_csv(tmp_path / "layers.csv", "latency_ms", "std_ms").loc[0].tolist() == ["stem", 1, 0, "x"]


def test_the_device_gets_a_precision_for_every_pair_of_bits() -> None:
    shape = replace(LINEAR, name="")
    table = build_bit_table(Device("npu", "simulator"), {(shape, 4, 8): {LATENCY: 2.0}, (shape, 8, 8): {LATENCY: 3.0}})
    assert table.device.precisions == (Precision((8,), 8), Precision((4,), 8))
    assert table.origin == "imported"
    without_bias = LayerSpec.linear("other", 64, 10, bias=False)
    assert [table.latency_ms(without_bias, LayerPolicy.quantized(bits, 8)) for bits in (4, 8)] == [2.0, 3.0]
