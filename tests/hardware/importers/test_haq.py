"""HAQ's table gives the published sums of cycles, and refuses what it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hardware.importers.haq import list_mobilenet_v2_layers, read_haq
from hardware.tables.latency_table import LatencyTable
from search_spaces.compression_policy import LayerPolicy

CYCLES = "latency_cycles"


def cycles(table: LatencyTable, policies: list[LayerPolicy]) -> float:
    return sum(table.cost(CYCLES, [pair]) for pair in zip(list_mobilenet_v2_layers(), policies, strict=True))


def test_it_adds_up(reference_data: Path) -> None:
    table = read_haq(reference_data / "haq_mobilenetv2" / "latency_cycles.npy")
    uniform = [cycles(table, [LayerPolicy.quantized(bits, bits)] * 53) for bits in range(2, 9)]
    assert uniform == [7063425, 11103578, 15716150, 20916896, 26653434, 32886714, 39624933]
    ends, rest = LayerPolicy.quantized(8, 8), LayerPolicy.quantized(2, 2)
    cheapest = cycles(table, [ends, *[rest] * 51, ends])
    assert cheapest == 8312597
    assert round(100 * cheapest / uniform[-1], 2) == 20.98


def test_other_arrays_are_refused(reference_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "cycles.npy"
    np.save(path, np.ones((53, 8, 7)))
    with pytest.raises(ValueError, match=r"shape \(53, 8, 8\), got \(53, 8, 7\)"):
        read_haq(path)
    path.write_text("no array")
    with pytest.raises(ValueError, match="is not an array that NumPy wrote"):
        read_haq(path)
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="is not an array that NumPy wrote"):
        read_haq(path)
    cycles = np.load(reference_data / "haq_mobilenetv2" / "latency_cycles.npy")
    cycles[9] += 1
    np.save(path, cycles)
    with pytest.raises(ValueError, match="has two costs of 'convolution "):
        read_haq(path)
