"""HAWQ's table of a T4: the quantised convolutions of ResNet-18 at 224 pixels, each by its name, at 4 and at 8 bits.

Source: Yao et al., "HAWQ-V3", ICML 2021.
"""

from __future__ import annotations

import re
from pathlib import Path

from hardware.device import Device
from hardware.importers.common import build_bit_table
from hardware.input_table import InputTable
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution
from search_spaces.quoting import quote

_NAME = re.compile(r"stage([1-4])\.unit([12])\.quant_(?:convbn([12])|identity_convbn)")


def read_hawq(path: Path) -> LatencyTable:
    """Reads `layers.csv`.

    Raises:
        ValueError: If columns are missing, a cell does not hold what it must, a row is for no quantised convolution of
            ResNet-18 or has another number of weights or operations than that, or two rows are for the same one.
    """
    costs: dict[tuple[LayerSpec, int, int], dict[str, float]] = {}
    for row in InputTable.read(path, "name", "params", "macs", "latency_ms_int4", "latency_ms_int8").rows:
        with row.telling("name"):
            layer = find_resnet18_layer(row.cells["name"])
            if (layer, 8, 8) in costs:
                raise ValueError(f"is the second row for {layer.name}; keep one")
        for column, expected in (("params", layer.weights), ("macs", layer.macs)):
            row.whole(column, expected, expected)
        for bits in (4, 8):
            costs[layer, bits, bits] = {LATENCY: row.cost(f"latency_ms_int{bits}")}
    return build_bit_table(Device("t4", "tvm"), costs)


def find_resnet18_layer(name: str) -> LayerSpec:
    """A convolution of ResNet-18, such as `stage2.unit1.quant_convbn1`.

    Raises:
        ValueError: If ResNet-18 has no quantised convolution of that name.
    """
    match = _NAME.fullmatch(name)
    # only the first unit of stages 2 to 4 has a convolution in its shortcut (`identity_convbn`)
    if match is None or (match[3] is None and (match[1] == "1" or match[2] == "2")):
        raise ValueError(f"ResNet-18 has no quantised convolution {quote(name)}; one is stage2.unit1.quant_convbn1")
    stage, is_first = int(match[1]), match[2] == "1"
    out = 32 << stage  # 64 channels at 56 pixels in stage 1; each later stage has twice the channels and half the size
    shrinks = is_first and stage > 1 and match[3] != "2"
    before, stride = (out // 2, 2) if shrinks else (out, 1)
    kernel = 3 if match[3] else 1
    return LayerSpec.conv(name, Convolution.square(before, out, kernel, stride), (112 >> stage) * stride)
