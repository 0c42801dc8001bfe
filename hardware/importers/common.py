"""Functions of several importers: the checked rows of a CSV file, and a table made of costs by layer and bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hardware.device import Device, Precision
from hardware.tables.entry import Entry, Segment
from hardware.tables.latency_table import Ignored, LatencyTable
from search_spaces.layer_spec import LayerSpec

if TYPE_CHECKING:
    import pandas as pd

# Fields of a layer that tables by shape and bits do not tell apart.
UNKNOWN_FIELDS: tuple[Ignored, ...] = ("activation", "bias", "normalized")
Costs = Mapping[str, float]


def read_csv(path: Path, *columns: str) -> pd.DataFrame:
    """The rows of a CSV file, with checked costs.

    Args:
        path: The CSV file.
        columns: Columns that the file must have; others are kept. Those with `_ms` or `_mj` in their names must hold
            numbers above 0, but `std_ms` may be 0.

    Raises:
        ValueError: If the file is no CSV file, a column is missing or one of those numbers is out of range.
    """
    import pandas as pd

    try:
        rows = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV file") from error
    missing = [column for column in columns if column not in rows]
    if missing:
        raise ValueError(f"{path} must have the columns {', '.join(columns)}; it lacks {', '.join(missing)}")
    for column in columns:
        if "_ms" in column or "_mj" in column:
            values = pd.to_numeric(rows[column], errors="coerce").to_numpy()
            if not (np.isfinite(values) & (values > 0 if column != "std_ms" else values >= 0)).all():
                raise ValueError(f"{path}: {column} must be a number above 0 in every row")
    return rows


def build_bit_table(
    device: Device, costs: Mapping[tuple[LayerSpec, int, int], Costs], constants: Costs | None = None
) -> LatencyTable:
    """A table of single layers that ignores `UNKNOWN_FIELDS`.

    Args:
        device: The device; its precisions are replaced by one for every pair of bits that occurs.
        costs: Costs by layer, weight bits and activation bits.
        constants: Costs of every network besides those of its layers, by metric.
    """
    pairs = sorted({(weights, activations) for _, weights, activations in costs}, reverse=True)
    precisions = {pair: Precision((pair[0],), pair[1]) for pair in pairs}
    known = replace(device, precisions=tuple(precisions.values()))
    empty = LatencyTable(known, {}, "imported", UNKNOWN_FIELDS, constants or {})
    entries: dict[Segment, Entry] = {}
    for (layer, weights, activations), values in costs.items():
        ((shape, executed),) = empty.segment([(layer, precisions[weights, activations].policy)])
        entries[((replace(shape, name=layer.name), executed),)] = Entry(values)
    return replace(empty, entries=entries)
