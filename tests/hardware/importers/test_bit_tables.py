"""HAQ's, APQ's and HAWQ's tables give the published sums, and refuse what they are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hardware.importers.apq import read_apq
from hardware.importers.haq import list_mobilenet_v2_layers, read_haq
from hardware.importers.hawq import find_resnet18_layer, read_hawq
from hardware.importers.registry import import_table
from hardware.tables.entry import LATENCY, Layers
from hardware.tables.latency_table import LatencyTable, MissingCost
from hardware.tables.table_file import load_table, save_table
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.mobilenet_v3 import inverted_bottleneck

CYCLES = "latency_cycles"


def cycles(table: LatencyTable, policies: list[LayerPolicy]) -> float:
    return sum(table.cost(CYCLES, [pair]) for pair in zip(list_mobilenet_v2_layers(), policies, strict=True))


def test_haq_adds_up(reference_data: Path) -> None:
    table = read_haq(reference_data / "haq_mobilenetv2" / "latency_cycles.npy")
    uniform = [cycles(table, [LayerPolicy.quantized(bits, bits)] * 53) for bits in range(2, 9)]
    assert uniform == [7063425, 11103578, 15716150, 20916896, 26653434, 32886714, 39624933]
    ends, rest = LayerPolicy.quantized(8, 8), LayerPolicy.quantized(2, 2)
    cheapest = cycles(table, [ends, *[rest] * 51, ends])
    assert cheapest == 8312597
    assert round(100 * cheapest / uniform[-1], 2) == 20.98


def apq_network(depth: int, ratio: int, policy: LayerPolicy) -> list[Layers]:
    """A network of APQ's space with kernels of 3, block by block."""
    found: list[Layers] = []
    before, size = 16, 112
    for width, stride, blocks in zip((24, 40, 80, 96, 192, 320), (2, 2, 2, 1, 2, 1), (*[depth] * 5, 1), strict=True):
        for index in range(blocks):
            step = stride if index == 0 else 1
            parts = inverted_bottleneck((before, before * ratio, width), 3, step, size, "relu")
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
def test_apq_adds_up_in_latency_and_energy(
    depth: int, ratio: int, bits: int, latency_ms: float, energy_mj: float, reference_data: Path, tmp_path: Path
) -> None:
    save_table(read_apq(reference_data / "apq_bitfusion" / "layers.csv"), tmp_path / "bitfusion.parquet")
    table = load_table(tmp_path / "bitfusion.parquet")
    network = apq_network(depth, ratio, LayerPolicy.quantized(bits, bits))
    found = [round(table.total(metric, network), 3) for metric in (LATENCY, "energy_mj")]
    assert found == [latency_ms, energy_mj]
    assert table.metrics == ("energy_mj", LATENCY)


def test_what_apq_did_not_simulate_is_named(reference_data: Path) -> None:
    table = read_apq(reference_data / "apq_bitfusion" / "layers.csv")
    depthwise = inverted_bottleneck((16, 64, 24), 7, 2, 112, "relu")["depthwise"]
    assert table.cost(LATENCY, [(depthwise, LayerPolicy.quantized(8, 8))]) > 0
    with pytest.raises(
        MissingCost,
        match=r"no latency_ms for .* kernel=\[7,7\] .* at w8a4 in 'bitfusion'; the table",
    ):
        table.cost(LATENCY, [(depthwise, LayerPolicy.quantized(8, 4))])


def test_hawq_prices_the_published_policies(reference_data: Path) -> None:
    folder = reference_data / "hawq_resnet18"
    table = read_hawq(folder / "layers.csv")
    layers = [find_resnet18_layer(name) for name in pd.read_csv(folder / "layers.csv")["name"]]
    priced = 0
    for case in json.loads((folder / "reference_optima.json").read_text())["cases"]:
        if case["constraint"] == "latency":
            bits = [LayerPolicy.quantized(int(one), int(one)) for one in case["optimal_bits"]]
            assert sum(map(table.latency_ms, layers, bits)) == pytest.approx(case["value"])
            priced += 1
    assert priced == 3


@pytest.mark.parametrize("name", ["stage5.unit1.quant_convbn1", "stage1.unit1.quant_identity_convbn", "conv1"])
def test_layers_that_resnet18_lacks_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="ResNet-18 has no quantised convolution"):
        find_resnet18_layer(name)


def test_other_files_are_refused(reference_data: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "cycles.npy", np.ones((53, 8, 7)))
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    different = np.load(reference_data / "haq_mobilenetv2" / "latency_cycles.npy")
    different[9] += 1
    np.save(tmp_path / "different.npy", different)
    rows = pd.read_csv(reference_data / "apq_bitfusion" / "layers.csv")
    rows.to_csv(tmp_path / "alone.csv")
    (tmp_path / "twice").mkdir()
    pd.concat([rows, rows[:1]]).to_csv(tmp_path / "twice" / "layers.csv")
    cases: list[tuple[str, str, type[Exception], str]] = [
        ("haq", "cycles.npy", ValueError, r"shape \(53, 8, 8\), got \(53, 8, 7\)"),
        ("haq", "text.npy", ValueError, "is not an array that NumPy wrote"),
        ("haq", "objects.npy", ValueError, "is not an array that NumPy wrote"),
        ("haq", "different.npy", ValueError, "has two prices for 'convolution "),
        ("apq", "alone.csv", FileNotFoundError, "head_tail.json"),
        ("apq", "twice/layers.csv", ValueError, "has two rows for 'conv"),
        ("hawq", "alone.csv", ValueError, "it lacks name, params, macs"),
        ("nvidia", "alone.csv", ValueError, "known table formats: once_for_all, haq, apq, hawq"),
    ]
    for name, file, kind, message in cases:
        with pytest.raises(kind, match=message):
            import_table(name, tmp_path / file)
