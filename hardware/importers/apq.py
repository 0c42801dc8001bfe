"""APQ's table of the BitFusion simulator: latency and energy by layer shape, weight and activation bits.

Two files: `layers.csv`, and beside it `head_tail.json`, which holds the costs of the fixed layers before (`head`) and
after (`tail`) the searched blocks; every network has these, so they become constants of the table.
Source: Wang et al., "APQ", CVPR 2020.
"""

from __future__ import annotations

from pathlib import Path

from hardware.device import Device
from hardware.document import Document, NotNegative, parse_document
from hardware.importers.common import build_bit_table
from hardware.input_file import read_input
from hardware.input_table import InputRow, InputTable
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from search_spaces.compression_policy import QUANTIZED_BITS
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

_SHAPE = ("in_c", "out_c", "kernel", "stride", "groups", "in_size")  # arguments of `Convolution.square`, and image size
_MOST_BYTES = 1 << 20  # of head_tail.json, which has four numbers


class _FixedLayers(Document):
    latency: NotNegative
    energy: NotNegative


class _HeadTail(Document):
    head: _FixedLayers
    tail: _FixedLayers


def read_apq(path: Path) -> LatencyTable:
    """Reads `layers.csv` and the `head_tail.json` in its folder.

    Raises:
        ValueError: If columns are missing, a cell does not hold what it must, two rows are for the same layer and bits,
            or `head_tail.json` lacks a latency or an energy of head or tail.
        FileNotFoundError: If `head_tail.json` does not exist.
    """
    costs: dict[tuple[LayerSpec, int, int], dict[str, float]] = {}
    for row in InputTable.read(path, *_SHAPE, "w_bits", "a_bits", "latency_ms", "energy_mj").rows:
        weights, activations = (row.whole(name, QUANTIZED_BITS[0], QUANTIZED_BITS[-1]) for name in ("w_bits", "a_bits"))
        key = _layer(row), weights, activations
        with row.telling(""):
            if key in costs:
                raise ValueError(f"is the second row for '{key[0]}' at w{weights}a{activations}; keep one")
        costs[key] = {LATENCY: row.cost("latency_ms"), "energy_mj": row.cost("energy_mj")}
    fixed = _read_fixed(path.with_name("head_tail.json"))
    constants = {
        LATENCY: fixed.head.latency + fixed.tail.latency,
        "energy_mj": fixed.head.energy + fixed.tail.energy,
    }
    return build_bit_table(Device("bitfusion", "simulator"), costs, constants)


def _layer(row: InputRow) -> LayerSpec:
    before, out, kernel, stride, groups, size = (row.whole(column) for column in _SHAPE)
    with row.telling(""):
        return LayerSpec.conv("", Convolution.square(before, out, kernel, stride, groups), size)


def _read_fixed(path: Path) -> _HeadTail:
    try:
        return parse_document(read_input(path, _MOST_BYTES), _HeadTail)
    except ValueError as error:
        raise ValueError(f"{path} must hold latency and energy of head and tail: {error}") from error
