"""Analytic devices take the longer of computing and moving, and are marked as estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hardware.tables.entry import LATENCY
from hardware.tables.roofline import Roofline
from hardware.tables.table_file import load_table, save_table
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

W32, W8, W4 = LayerPolicy(), LayerPolicy.quantized(8, 8), LayerPolicy.quantized(4, 8)
NPU = Roofline("npu", {W32: 10.0, W8: 100.0, W4: 200.0}, 1.0, 2.0, {W32: 4.0, W8: 0.5, W4: 0.25}, 20.0)
CONV = LayerSpec.conv("", Convolution.square(16, 32, 3), 8)  # 4,608 weights, 294,912 MACs, 1,024 inputs, 2,048 outputs
WIDE = LayerSpec.linear("", 1000, 1000, bias=False)


def test_by_hand() -> None:
    assert NPU.latency_ms(CONV, W32) == pytest.approx(2 * 294912 / 10e9 * 1e3 + 2e-3)  # computes longer
    assert NPU.latency_ms(CONV, W8) == pytest.approx((4608 + 3072) / 1e9 * 1e3 + 2e-3)  # moves longer
    assert NPU.latency_ms(WIDE, W4) == pytest.approx((500_000 + 2000) / 1e9 * 1e3 + 2e-3)
    assert NPU.energy_mj(CONV, W8) == pytest.approx((2 * 294912 * 0.5 + 7680 * 20) * 1e-9)


def test_a_table_is_an_estimate(tmp_path: Path) -> None:
    save_table(NPU.table([CONV, WIDE]), tmp_path / "npu.parquet")
    table = load_table(tmp_path / "npu.parquet")
    assert table.origin == "estimated"
    assert table.location == "npu (estimated)"
    assert len(table.entries) == 6
    assert table.metrics == ("energy_mj", LATENCY)
    assert table.latency_ms(CONV, LayerPolicy.quantized(3, 8)) == table.latency_ms(CONV, W4) == NPU.latency_ms(CONV, W4)
    assert table.latency_ms(CONV, LayerPolicy.quantized(6, 8)) == NPU.latency_ms(CONV, W8)
    with pytest.raises(ValueError, match="runs no layer at w4a4"):
        table.latency_ms(CONV, LayerPolicy.quantized(4, 4))


@pytest.mark.parametrize(
    "changed",
    [
        {"peak_gops": {}},
        {"peak_gops": {W8: 0.0}},
        {"peak_gops": {W32: 1.0, W8: float("nan")}},
        {"bandwidth_gb_s": 0.0},
        {"overhead_us": -1.0},
        {"energy_pj": {W8: 1.0}},
    ],
)
def test_impossible_devices_are_refused(changed: dict[str, Any]) -> None:
    keys: dict[str, Any] = {"name": "npu", "peak_gops": {W32: 1.0}, "bandwidth_gb_s": 1.0, "overhead_us": 0.0}
    with pytest.raises(ValueError, match=r"device 'npu': [a-z_]+ must .*, got "):
        Roofline(**(keys | changed))
