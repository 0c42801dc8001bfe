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


def _header(shape: str, kind: str = "<i8", more: str = "") -> bytes:
    """A file of NumPy without numbers."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, {more}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an array that NumPy wrote"),
        (b"no array", "is not an array that NumPy wrote"),
        (b"PK\x03\x04garbage", "is not an array that NumPy wrote"),
        (_header("(53, 8, 8)", more="}, 'a': 1}"), "is not an array that NumPy wrote"),
        (_header("(" * 5000), "is not an array that NumPy wrote"),
        (b"\x93NUMPY\x09\x00", "is not an array that NumPy wrote"),
        (_header("(53, 8, 8)", more="'a': 1"), "is not an array that NumPy wrote"),
        (_header("(1000000000000,)"), r"shape \(53, 8, 8\), got int64 of shape \(1000000000000,\)"),
        (_header("(53, 8, 7)"), r"shape \(53, 8, 8\), got int64 of shape \(53, 8, 7\)"),
        (_header("(53, 8, 8)", "|O"), r"numbers of shape \(53, 8, 8\), got object"),
        (_header("(53, 8, 8)", "<c16"), "numbers of shape .*, got complex128"),
        (_header("(53, 8, 8)"), "must have 27,136 bytes of numbers, got 0"),
    ],
)
def test_other_arrays_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "cycles.npy").write_bytes(content)
    with pytest.raises(ValueError, match=f"cycles.npy.* {message}"):
        read_haq(tmp_path / "cycles.npy")


def test_a_wrong_cost_is_named(reference_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "cycles.npy"
    published = np.load(reference_data / "haq_mobilenetv2" / "latency_cycles.npy")
    for wrong in (0.0, -1.0, np.nan, np.inf):
        cycles = published.astype(float)
        cycles[2, 3, 7] = wrong
        np.save(path, cycles)
        with pytest.raises(ValueError, match=rf"cell \[2, 3, 7\]: must be a number of cycles above 0, got {wrong}"):
            read_haq(path)
    published[9] += 1
    np.save(path, np.asfortranarray(published))
    with pytest.raises(ValueError, match=r"cell \[9, 1, 1\]: is another cost of 'convolution "):
        read_haq(path)
