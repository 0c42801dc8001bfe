"""What all importers share: the check of columns, and a table of entries by layer and bits.

In: rows and costs. Out: a `LatencyTable`. Knows no format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hardware.device import Device, Kernel
from hardware.tables.latency_table import Entry, Ignored, LatencyTable, Segment
from search_spaces.layer_spec import LayerSpec

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN_FIELDS: tuple[Ignored, ...] = (
    "activation",
    "bias",
    "normalized",
)  # which tables by shape and bits do not tell apart
Costs = Mapping[str, float]


def read_csv(path: Path, *columns: str) -> pd.DataFrame:
    """The rows of a file that has these columns, all of them with numbers above 0 where they are named after a unit.

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


def by_bits(
    device: Device, costs: Mapping[tuple[LayerSpec, int, int], Costs], constants: Costs | None = None
) -> LatencyTable:
    """A table of single layers.

    Args:
        device: Named; it gets a kernel for every pair of bits that occurs.
        costs: By layer, weight bits and activation bits.
        constants: Of every network, by metric.
    """
    pairs = sorted({(weights, activations) for _, weights, activations in costs}, reverse=True)
    kernels = {pair: Kernel((pair[0],), pair[1]) for pair in pairs}
    known = replace(device, kernels=tuple(kernels.values()))
    empty = LatencyTable(known, {}, "imported", UNKNOWN_FIELDS, constants or {})
    entries: dict[Segment, Entry] = {}
    for (layer, weights, activations), values in costs.items():
        ((shape, kernel),) = empty.segment([(layer, kernels[weights, activations].policy)])
        entries[((replace(shape, name=layer.name), kernel),)] = Entry(values)
    return replace(empty, entries=entries)
