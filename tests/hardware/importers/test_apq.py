"""APQ's table gives the published sums of latency and energy, and refuses what it is not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hardware.importers.apq import read_apq
from hardware.tables.entry import LATENCY, Layers
from hardware.tables.latency_table import MissingCost
from hardware.tables.table_file import load_table, save_table
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.mobilenet_v3 import make_inverted_bottleneck


def apq_network(depth: int, ratio: int, policy: LayerPolicy) -> list[Layers]:
    """A network of APQ's space with kernels of 3, block by block."""
    found: list[Layers] = []
    before, size = 16, 112
    for width, stride, blocks in zip((24, 40, 80, 96, 192, 320), (2, 2, 2, 1, 2, 1), (*[depth] * 5, 1), strict=True):
        for index in range(blocks):
            step = stride if index == 0 else 1
            parts = make_inverted_bottleneck((before, before * ratio, width), 3, step, size, "relu")
            found.append([(parts[part], policy) for part in ("expand", "depthwise", "project")])
            before, size = width, -(-size // step)
    return found


@pytest.mark.parametrize(
    ("depth", "ratio", "bits", "latency_ms", "energy_mj"),
    [
        (4, 6, 8, 12.861, 17.582),
        (4, 6, 6, 12.656, 16.665),
        (4, 6, 4, 7.379, 12.853),
        (2, 4, 8, 4.665, 6.644),
        (2, 4, 4, 2.959, 5.107),
    ],
)
def test_it_adds_up_in_latency_and_energy(
    depth: int, ratio: int, bits: int, latency_ms: float, energy_mj: float, reference_data: Path, tmp_path: Path
) -> None:
    save_table(read_apq(reference_data / "apq_bitfusion" / "layers.csv"), tmp_path / "bitfusion.parquet")
    table = load_table(tmp_path / "bitfusion.parquet")
    network = apq_network(depth, ratio, LayerPolicy.quantized(bits, bits))
    found = [round(table.total(metric, network), 3) for metric in (LATENCY, "energy_mj")]
    assert found == [latency_ms, energy_mj]
    assert table.metrics == ("energy_mj", LATENCY)


def test_what_was_not_simulated_is_named(reference_data: Path) -> None:
    table = read_apq(reference_data / "apq_bitfusion" / "layers.csv")
    depthwise = make_inverted_bottleneck((16, 64, 24), 7, 2, 112, "relu")["depthwise"]
    assert table.cost(LATENCY, [(depthwise, LayerPolicy.quantized(8, 8))]) > 0
    with pytest.raises(
        MissingCost,
        match=r"no latency_ms for .* kernel=\[7,7\] .* at w8a4 in 'bitfusion'; the table",
    ):
        table.cost(LATENCY, [(depthwise, LayerPolicy.quantized(8, 4))])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("in_c", "-1", "column in_c: must be a whole number from 1 to 2147483647, got '-1'"),
        ("in_c", "1.5", "column in_c: must be a whole number"),
        ("out_c", "1" + 30 * "0", "column out_c: must be a whole number"),
        ("kernel", "0", "column kernel: must be a whole number"),
        ("kernel", "2", "a square convolution has a kernel of odd size, got 2"),
        ("stride", "0", "column stride: must be a whole number"),
        ("groups", "5", "the groups of a convolution must divide its channels"),
        ("w_bits", "9", "column w_bits: must be a whole number from 2 to 8, got '9'"),
        ("latency_ms", "nan", "column latency_ms: must be a number above 0, got 'nan'"),
        ("energy_mj", "", "column energy_mj: must be a number above 0, got none"),
    ],
)
def test_a_wrong_cell_is_named(column: str, value: str, message: str, reference_data: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(reference_data / "apq_bitfusion" / "layers.csv", dtype=str)[:3]
    rows.loc[1, column] = value
    rows.to_csv(tmp_path / "layers.csv", index=False)
    with pytest.raises(ValueError, match=rf"layers.csv, row 2 \(line 3\).*{message}"):
        read_apq(tmp_path / "layers.csv")


def test_other_files_are_refused(reference_data: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(reference_data / "apq_bitfusion" / "layers.csv")[:3]
    rows.to_csv(tmp_path / "alone.csv")
    with pytest.raises(FileNotFoundError, match=r"head_tail\.json"):
        read_apq(tmp_path / "alone.csv")
    pd.concat([rows, rows[:1]]).to_csv(tmp_path / "twice.csv")
    with pytest.raises(ValueError, match=r"twice.csv, row 4 \(line 5\): is the second row for 'conv.*; keep one"):
        read_apq(tmp_path / "twice.csv")
    costs = '{"latency": 1, "energy": 1}'
    for text, message in (
        ("{}x", "invalid JSON"),
        ("{}", "head is missing; tail is missing"),
        ("[" * 100_000, "invalid JSON"),
        (f'{{"head": {costs}, "tail": {{"latency": -100, "energy": 1}}}}', "tail.latency: input should be greater"),
        (f'{{"head": {costs}, "tail": {{"latency": NaN, "energy": 1}}}}', "tail.latency: input should be a finite"),
        (f'{{"head": {costs}, "tail": {{"latency": true, "energy": 1}}}}', "tail.latency: input should be a valid num"),
        (f'{{"head": {costs}, "tail": {{"latency": 1, "energy": 1{30 * "0"}}}}}', "tail.energy: input should be less"),
    ):
        (tmp_path / "head_tail.json").write_text(text)
        with pytest.raises(ValueError, match=rf"head_tail\.json must hold latency and energy .*: {message}"):
            read_apq(tmp_path / "alone.csv")
