"""Look-up tables of Once-for-All's MobileNetV3, such as those of a Samsung Note 10 and of an Intel i7-8700K.

A CSV file with one row per inverted bottleneck or fixed layer becomes a `LatencyTable` of blocks in floating point.
Source: Cai et al., "Once-for-All", ICLR 2020, and its followers, who publish such files.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardware.device import Device
from hardware.importers.common import read_csv
from hardware.tables.entry import LATENCY, Entry
from hardware.tables.latency_table import Ignored, LatencyTable
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.mobilenet_v3 import make_inverted_bottleneck
from search_spaces.layer_spec import LayerSpec, round_channels
from search_spaces.operators.weighted import Convolution

if TYPE_CHECKING:
    import pandas as pd

_STEM, _BLOCK = ("Conv", "first_conv"), ("expanded_conv", "MBConv")
_HEAD, _POOL = ("Conv_1", "final_expand_layer"), "AvgPool2D"
_FEATURE, _CLASSIFIER = ("Conv_2", "feature_mix_layer"), ("Logits", "classifier")
_QUARTILES = 1.349  # interquartile range of a normal distribution, in standard deviations
_COLUMNS = ("op", "in_h", "in_c", "out_h", "out_c", "kernel", "stride", "se", "mean_ms", "std_ms")


def read_once_for_all(path: Path, resolution: int | None = None) -> LatencyTable:
    """Reads a table of either form: with the columns `mid_c` and `hs`, or with `expand` and without activations.

    Args:
        path: The CSV file.
        resolution: Reads only the rows of this image size, if the table has a column `resolution`. None reads all rows;
            equal blocks that were measured at several resolutions are averaged.

    Raises:
        ValueError: If a column is missing, no row has the resolution, or the operator of a row is unknown.
    """
    rows = read_csv(path, *_COLUMNS)
    if not {"mid_c", "expand"} & {*rows.columns}:
        raise ValueError(f"{path} must have the column mid_c (inner channels) or expand (their ratio); it has neither")
    if resolution is not None:
        known = sorted(rows["resolution"].unique().tolist()) if "resolution" in rows else []
        if resolution not in known:
            raise ValueError(f"{path} has no rows of resolution {resolution}; it has {known}")
        rows = rows[rows["resolution"] == resolution]
    rows = rows.rename(columns={"count": "repeats"})  # `count` is a method of the named tuples below
    pools = rows[rows["op"] == _POOL].groupby(["in_h", "in_c"])["mean_ms"].mean()
    found: dict[tuple[LayerSpec, ...], list[Any]] = {}
    for row in rows[rows["op"] != _POOL].itertuples():
        found.setdefault(_layers(row), []).append(row)
    ignores: tuple[Ignored, ...] = () if "hs" in rows else ("activation",)
    empty = LatencyTable(Device(path.stem, "unknown"), origin="imported", ignores=ignores)
    entries = {}
    for layers, measured in found.items():
        latency_ms = sum(row.mean_ms + _pooling(row, pools) for row in measured) / len(measured)
        spread = _QUARTILES * sum(row.std_ms for row in measured) / len(measured) / latency_ms
        repeats = sum(int(getattr(row, "repeats", 0)) for row in measured)
        entries[empty.segment([(layer, LayerPolicy()) for layer in layers])] = Entry(
            {LATENCY: float(latency_ms)}, float(spread), repeats
        )
    return replace(empty, entries=entries)


def _layers(row: Any) -> tuple[LayerSpec, ...]:
    """The layers of a row: those of an inverted bottleneck, or one fixed layer."""
    before, after, size = int(row.in_c), int(row.out_c), int(row.in_h)
    if row.op in _STEM:
        stride = -(-size // int(row.out_h))
        return (LayerSpec.conv("", Convolution.square(before, after, 3, stride), size, activation="hard_swish"),)
    if row.op in _HEAD:
        return (LayerSpec.conv("", Convolution.square(before, after), size, activation="hard_swish"),)
    if row.op in _FEATURE:
        return (LayerSpec.conv("", Convolution.square(before, after), normalized=False, activation="hard_swish"),)
    if row.op in _CLASSIFIER:
        return (LayerSpec.linear("", before, after),)
    if row.op not in _BLOCK:
        known = (*_STEM, *_BLOCK, *_HEAD, _POOL, *_FEATURE, *_CLASSIFIER)
        raise ValueError(f"op {row.op!r} is not known; known are {', '.join(known)}")
    inner = int(row.mid_c) if hasattr(row, "mid_c") else round_channels(before * float(row.expand))
    activation = "hard_swish" if getattr(row, "hs", 0) else "relu"
    parts = make_inverted_bottleneck((before, inner, after), int(row.kernel), int(row.stride), size, activation)
    absent = {"expand"} if inner == before else set()  # an expansion by 1 is left out, as in the fixed first block
    absent |= set() if row.se else {"squeeze", "excite"}
    return tuple(layer for part, layer in parts.items() if part not in absent)


def _pooling(row: Any, pools: pd.Series) -> float:
    """Latency of the pooling that is added to the head: some tables have a row for it. 0 for all other rows."""
    key = (row.in_h, row.out_c)
    return float(pools[key]) if row.op in _HEAD and key in pools.index else 0.0
