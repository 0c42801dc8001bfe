"""Latency tables as Parquet files, which pandas alone can read.

There is one row per layer of an entry, in order. The columns are `entry`, the index of the entry; the fields of the
layer, with its operator as text; the weight and activation bits in which it is executed; one column per metric, in the
unit that its name ends with; `spread` and `repeats` of the latency, and its `factor` within networks. All layers of a
block have the same `entry`, and each of their rows repeats the costs of the block. `DataFrame.attrs` holds the fields
of the table that are not of one entry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from hardware.calibration.calibration import Calibration
from hardware.calibration.fit_quality import FitQuality
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_use import TensorUse
from hardware.device import Device, Precision
from hardware.tables.entry import LATENCY, Entry, Segment
from hardware.tables.latency_table import Ignored, LatencyTable, Origin
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec
from search_spaces.operators.pointwise import Activation
from search_spaces.operators.registry import parse_operator

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 5  # raised with every change of the format, which then must read or refuse the versions before
_LAYER = ("name", "operator", "input_shape", "normalized", "activation")
_KEY = ("entry", *_LAYER, "weight_bits", "activation_bits")
_QUALITY = ("spread", "repeats", "factor")


def to_frame(table: LatencyTable) -> pd.DataFrame:
    """The rows of a table as they stand in its file, with its metadata in `attrs`."""
    import pandas as pd

    metrics = dict.fromkeys((LATENCY, *(name for entry in table.entries.values() for name in entry.values)))
    rows = [
        (
            number,
            *_layer_cells(layer),
            policy.weight_bits,
            policy.activation_bits,
            *(entry.values.get(name, np.nan) for name in metrics),
            entry.spread,
            entry.repeats,
            entry.factor,
        )
        for number, (segment, entry) in enumerate(table.entries.items())
        for layer, policy in segment
    ]
    found = pd.DataFrame(rows, columns=[*_KEY, *metrics, *_QUALITY]).astype(dict.fromkeys(metrics, float))
    found.attrs = {
        "schema_version": SCHEMA_VERSION,
        "device": asdict(table.device),
        "origin": table.origin,
        "ignores": list(table.ignores),
        "constants": dict(table.constants),
        "reference_ms": table.reference_ms,
        "fingerprint": dict(table.fingerprint),
        "date": table.date,
        "calibration": _calibration_document(table.calibration),
    }
    return found


def save_table(table: LatencyTable, path: Path) -> None:
    """Writes a Parquet file atomically: a reader meets the old file or the new one, even after a crash.

    Args:
        table: The table, complete or not.
        path: Path of the file; its folder is created if it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{token_hex(8)}.tmp")  # a name that nobody can foresee
    try:
        to_frame(table).to_parquet(draft, index=False)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load_table(path: Path) -> LatencyTable:
    """Reads what `save_table` wrote.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If it is no Parquet file, has other columns or metadata than a latency table, has another schema
            version, or holds a cost that is not positive and finite.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        rows = pd.read_parquet(path, engine="pyarrow")
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is not a Parquet file") from error
    try:
        return _table(rows)
    except ValueError as error:
        raise ValueError(f"{path} is not a latency table: {error}") from error


def _table(rows: pd.DataFrame) -> LatencyTable:
    """The table of rows that were read; raises ValueError if they are not those of a table."""
    _check_version(rows.attrs.get("schema_version"))
    metrics = [column for column in rows.columns if column not in (*_KEY, *_QUALITY)]
    _check_cells(rows, metrics)
    try:
        attributes = {name: rows.attrs[name] for name in ("origin", "constants", "reference_ms", "fingerprint", "date")}
        device, calibration = _device(rows.attrs["device"]), _calibration(rows.attrs["calibration"])
        ignores = tuple(rows.attrs["ignores"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"its metadata are incomplete ({error!r})") from error
    if attributes["origin"] not in get_args(Origin) or not {*ignores} <= {*get_args(Ignored)}:
        raise ValueError(f"its origin must be one of {get_args(Origin)} and it may ignore {get_args(Ignored)}")
    groups: dict[int, list[Mapping[Any, Any]]] = {}  # a data frame per entry would take seconds
    for record in rows.to_dict("records"):
        groups.setdefault(record["entry"], []).append(record)
    entries = dict(_entry(records, metrics) for records in groups.values())
    if len(entries) != len(groups):
        raise ValueError("it has several entries for the same layers and bits")
    return LatencyTable(device, entries, ignores=ignores, calibration=calibration, **attributes)


def _check_version(version: object) -> None:
    if version == SCHEMA_VERSION:
        return
    if isinstance(version, int) and version > SCHEMA_VERSION:
        remedy = "update this program, or take the program that wrote it"
    else:
        remedy = "make it anew with: nas profile JOB, or nas tables import or estimate"
    raise ValueError(f"its schema version is {version}, this program reads {SCHEMA_VERSION}; {remedy}")


def _check_cells(rows: pd.DataFrame, metrics: list[str]) -> None:
    """Raises ValueError unless there are the columns of a table, and each cell holds what its column may hold."""
    if tuple(rows.columns) != (*_KEY, *metrics, *_QUALITY):
        expected = f"{', '.join(_KEY)}, metrics, {', '.join(_QUALITY)}"
        raise ValueError(f"its columns must be {expected}; got {', '.join(map(str, rows.columns))}")
    for name in metrics:
        values = rows[name].to_numpy()
        if values.dtype.kind not in "fi" or np.any(values <= 0) or np.isinf(values).any():
            raise ValueError(f"{name} must be positive and finite wherever it is given")
    if rows.drop(columns=metrics).isna().to_numpy().any() or rows[metrics].isna().all(axis=1).any():
        raise ValueError("it has empty cells")
    numbers = rows[["entry", *metrics, *_QUALITY]].drop_duplicates()["entry"]
    if numbers.duplicated().any():
        raise ValueError(f"the rows of entry {numbers[numbers.duplicated()].iloc[0]} have different costs")


def _entry(records: Sequence[Mapping[Any, Any]], metrics: list[str]) -> tuple[Segment, Entry]:
    """The segment and the entry of the rows of the layers of one entry."""
    bits = [(record["weight_bits"], record["activation_bits"]) for record in records]
    segment = tuple((_layer(record), LayerPolicy.quantized(*pair)) for record, pair in zip(records, bits, strict=True))
    first = records[0]
    costs = {name: float(first[name]) for name in metrics if not np.isnan(first[name])}
    return segment, Entry(costs, first["spread"], first["repeats"], first["factor"])


def _layer_cells(layer: LayerSpec) -> tuple[str | bool, ...]:
    """A layer as the cells of `_LAYER`."""
    activation = "" if layer.activation is None else str(layer.activation)
    return layer.name, str(layer.operator), json.dumps(layer.input_shape), layer.normalized, activation


def _layer(record: Mapping[Any, Any]) -> LayerSpec:
    """The layer of the cells of a row."""
    activation = parse_operator(record["activation"]) if record["activation"] else None
    if not isinstance(activation, Activation | None):
        raise ValueError(f"an activation is written like 'activation function=\"relu\"', got {activation}")
    shape = tuple(json.loads(record["input_shape"]))
    return LayerSpec(record["name"], parse_operator(record["operator"]), shape, record["normalized"], activation)


def _device(document: Mapping[str, Any]) -> Device:
    found = [Precision(tuple(one["weight_bits"]), one["activation_bits"]) for one in document["precisions"]]
    return Device(**{**document, "precisions": tuple(found)})


def _calibration_document(calibration: Calibration) -> dict[str, Any]:
    costs = calibration.tensors.by_use
    return {
        "constant_ms": calibration.constant_ms,
        "tensors": {str(use): [cost.latency_ms, cost.latency_ms_per_element] for use, cost in costs.items()},
        "quality": calibration.quality and asdict(calibration.quality),
    }


def _calibration(document: Mapping[str, Any]) -> Calibration:
    tensors = {TensorUse.parse(text): TensorCost(*cost) for text, cost in document["tensors"].items()}
    quality = document["quality"]
    return Calibration(document["constant_ms"], TensorCosts(tensors), quality and FitQuality(**quality))
