"""Look-up tables of Once-for-All's MobileNetV3, such as those of a Samsung Note 10 and of an Intel i7-8700K.

A CSV file with one row per inverted bottleneck or fixed layer becomes a `LatencyTable` of blocks in floating point.
Source: Cai et al., "Once-for-All", ICLR 2020, and its followers, who publish such files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from hardware.device import Device
from hardware.input_table import InputRow, InputTable
from hardware.tables.entry import LATENCY, Entry
from hardware.tables.latency_table import Ignored, LatencyTable
from search_spaces.compression_policy import LayerPolicy
from search_spaces.families.mobilenet_v3 import make_inverted_bottleneck
from search_spaces.layer_spec import LayerSpec, round_channels
from search_spaces.operators.weighted import Convolution
from search_spaces.quoting import quote

_STEM, _BLOCK = ("Conv", "first_conv"), ("expanded_conv", "MBConv")
_HEAD, _POOL = ("Conv_1", "final_expand_layer"), "AvgPool2D"
_FEATURE, _CLASSIFIER = ("Conv_2", "feature_mix_layer"), ("Logits", "classifier")
_QUARTILES = 1.349  # interquartile range of a normal distribution, in standard deviations
_COLUMNS = ("op", "in_h", "in_c", "out_h", "out_c", "kernel", "stride", "se", "mean_ms", "std_ms")
_STEM_KERNEL, _MOST_EXPANSION = 3, 64


def read_once_for_all(path: Path, resolution: int | None = None) -> LatencyTable:
    """Reads a table of either form: with the columns `mid_c` and `hs`, or with `expand` and without activations.

    Args:
        path: The CSV file.
        resolution: Reads only the rows of this image size, if the table has a column `resolution`. None reads all rows;
            equal blocks that were measured at several resolutions are averaged.

    Raises:
        ValueError: If a column is missing, a cell does not hold what it must, no row has the resolution, the operator
            of a row is unknown, or two rows are for the same block at the same resolution.
    """
    table = InputTable.read(path, *_COLUMNS)
    if not {"mid_c", "expand"} & {*table.columns}:
        raise ValueError(f"{path} must have the column mid_c (inner channels) or expand (their ratio); it has neither")
    at = {row.place: row.whole("resolution") if "resolution" in table.columns else None for row in table.rows}
    if resolution is not None and resolution not in at.values():
        known = sorted(size for size in {*at.values()} if size is not None)
        raise ValueError(f"{path} has no rows of resolution {resolution}; it has {known}")
    rows = [row for row in table.rows if resolution in (None, at[row.place])]
    pools = _pools([row for row in rows if row.line("op") == _POOL])
    found: dict[tuple[LayerSpec, ...], dict[int | None, InputRow]] = {}
    for row in rows:
        if row.line("op") == _POOL:
            continue
        layers = _layers(row)
        if found.setdefault(layers, {}).setdefault(at[row.place], row) is not row:
            with row.telling(""):
                raise ValueError("is the second row for the same layers at the same resolution; keep one")
    ignores: tuple[Ignored, ...] = () if "hs" in table.columns else ("activation",)
    empty = LatencyTable(Device(path.stem, "unknown"), origin="imported", ignores=ignores)
    segments = {empty.segment([(one, LayerPolicy()) for one in layers]): [*by.values()] for layers, by in found.items()}
    return replace(empty, entries={segment: _entry(measured, pools) for segment, measured in segments.items()})


def _entry(measured: Sequence[InputRow], pools: Mapping[tuple[int, int], float]) -> Entry:
    """The mean of the rows of one block, each with the pooling that follows it."""
    latency_ms = fmean(row.cost("mean_ms") + _pooling(row, pools) for row in measured)
    spread = _QUARTILES * fmean(row.number("std_ms") for row in measured) / latency_ms
    return Entry({LATENCY: latency_ms}, spread, sum(row.whole("count", 0) for row in measured if "count" in row.cells))


def _layers(row: InputRow) -> tuple[LayerSpec, ...]:
    """The layers of a row: those of an inverted bottleneck, or one fixed layer."""
    before, after, size, output = (row.whole(column) for column in ("in_c", "out_c", "in_h", "out_h"))
    name = row.line("op")
    if name in _BLOCK:
        layers = _block(row, before, after, size)
    elif name in _STEM:
        stride = -(-size // output)
        if stride > _STEM_KERNEL:  # which would skip pixels
            row.whole("out_h", -(-size // _STEM_KERNEL))
        convolution = Convolution.square(before, after, _STEM_KERNEL, stride)
        layers = (LayerSpec.conv("", convolution, size, activation="hard_swish"),)
    elif name in _HEAD:
        layers = (LayerSpec.conv("", Convolution.square(before, after), size, activation="hard_swish"),)
    elif name in _FEATURE:
        convolution = Convolution.square(before, after)
        layers = (LayerSpec.conv("", convolution, size, normalized=False, activation="hard_swish"),)
    elif name in _CLASSIFIER:
        layers = (LayerSpec.linear("", before, after),)
    else:
        known = (*_STEM, *_BLOCK, *_HEAD, _POOL, *_FEATURE, *_CLASSIFIER)
        with row.telling("op"):
            raise ValueError(f"op {quote(name)} is not known; known are {', '.join(known)}")
    _check_sides(row, layers)
    return layers


def _block(row: InputRow, before: int, after: int, size: int) -> tuple[LayerSpec, ...]:
    """The layers of an inverted bottleneck."""
    if "mid_c" in row.cells:
        inner = row.whole("mid_c")
    else:
        inner = round_channels(before * row.number("expand", _MOST_EXPANSION))
    activation = "hard_swish" if "hs" in row.cells and row.whole("hs", 0, 1) else "relu"
    kernel, stride = row.whole("kernel"), row.whole("stride")
    with row.telling(""):
        parts = make_inverted_bottleneck((before, inner, after), kernel, stride, size, activation)
    absent = {"expand"} if inner == before else set()  # an expansion by 1 is left out, as in the fixed first block
    absent |= set() if row.whole("se", 0, 1) else {"squeeze", "excite"}
    return tuple(layer for part, layer in parts.items() if part not in absent)


def _check_sides(row: InputRow, layers: Sequence[LayerSpec]) -> None:
    """Makes sure that images are square, and that the size of the output is the one that these layers make."""
    # a classifier reads features, which have no sides
    read, made = ((*shape, 1)[1] for shape in (layers[0].input_shape, layers[-1].output_shape))
    for column, side in (("in_h", read), ("in_w", read), ("out_h", made), ("out_w", made)):
        if column in row.cells:
            row.whole(column, side, side)


def _pools(rows: Iterable[InputRow]) -> dict[tuple[int, int], float]:
    """The mean latency of pooling by the size and the channels of its input."""
    found: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for row in rows:
        found[row.whole("in_h"), row.whole("in_c")].append(row.cost("mean_ms"))
    return {key: fmean(values) for key, values in found.items()}


def _pooling(row: InputRow, pools: Mapping[tuple[int, int], float]) -> float:
    """Latency of the pooling that is added to the head: some tables have a row for it. 0 for all other rows."""
    return pools.get((row.whole("in_h"), row.whole("out_c")), 0.0) if row.line("op") in _HEAD else 0.0
