"""APQ's table of the BitFusion simulator: latency and energy by layer shape, weight and activation bits.

Two files: `layers.csv`, and beside it `head_tail.json`, which holds the costs of the fixed layers before (`head`) and
after (`tail`) the searched blocks; every network has these, so they become constants of the table.
Source: Wang et al., "APQ", CVPR 2020.
"""

from __future__ import annotations

import json
from pathlib import Path

from hardware.device import Device
from hardware.importers.common import build_bit_table, read_csv
from hardware.tables.entry import LATENCY
from hardware.tables.latency_table import LatencyTable
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.weighted import Convolution

_SHAPE = ("in_c", "out_c", "kernel", "stride", "groups", "in_size")  # arguments of `Convolution.square`, and image size


def read_apq(path: Path) -> LatencyTable:
    """Reads `layers.csv` and the `head_tail.json` in its folder.

    Raises:
        ValueError: If columns are missing, two rows are for the same layer and bits, or `head_tail.json` lacks a
            latency or an energy of head or tail.
        FileNotFoundError: If `head_tail.json` does not exist.
    """
    costs: dict[tuple[LayerSpec, int, int], dict[str, float]] = {}
    for row in read_csv(path, *_SHAPE, "w_bits", "a_bits", "latency_ms", "energy_mj").to_dict("records"):
        before, out, kernel, stride, groups, size = (int(row[column]) for column in _SHAPE)
        layer = LayerSpec.conv("", Convolution.square(before, out, kernel, stride, groups), size)
        key = layer, int(row["w_bits"]), int(row["a_bits"])
        if key in costs:
            raise ValueError(f"{path} has two rows for '{layer}' at w{key[1]}a{key[2]}")
        costs[key] = {LATENCY: row["latency_ms"], "energy_mj": row["energy_mj"]}
    ends = path.with_name("head_tail.json")
    try:
        document = json.loads(ends.read_text(encoding="utf-8"))
        fixed = (document["head"], document["tail"])
        constants = {LATENCY: sum(end["latency"] for end in fixed), "energy_mj": sum(end["energy"] for end in fixed)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{ends} must hold latency and energy of head and tail") from error
    return build_bit_table(Device("bitfusion", "simulator"), costs, constants)
