"""What all importers share: checked columns of a CSV file, and a latency table made of costs by layer and bits."""

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

# What tables by shape and bits do not tell apart.
UNKNOWN_FIELDS: tuple[Ignored, ...] = ("activation", "bias", "normalized")
Costs = Mapping[str, float]


def read_csv(path: Path, *columns: str) -> pd.DataFrame:
    """The rows of a file. Columns that are named after a unit must hold numbers above 0.

    Args:
        path: A CSV file.
        columns: Those that it must have; others are kept.

    Raises:
        ValueError: If a column is missing or a cost is no positive number.
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
        device: Named; its precisions are replaced by one for every pair of bits that occurs.
        costs: By layer, weight bits and activation bits.
        constants: What every network costs besides its layers, by metric.
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
