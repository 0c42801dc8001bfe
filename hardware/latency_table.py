"""Latency tables: measured times of single layers on one device.

In: timings. Out: `LatencyTable`, which prices a layer under a policy, says what it lacks and lives in a Parquet file.
Knows no network, no search and not how anything was measured.

The file needs pandas alone: one row per entry; what holds for all rows is in `DataFrame.attrs`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware.calibration import Calibration
from hardware.device import Device, KernelPrecision
from hardware.profiler import Timing
from search_spaces.candidate import LayerPolicy
from search_spaces.layers import LayerSpec

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
_LAYER_COLUMNS = tuple(column.name for column in fields(LayerSpec) if column.name != "name")
_COLUMNS = (*_LAYER_COLUMNS, "precision", "median_ms", "spread", "repeats")

Key = tuple[LayerSpec, str]  # a layer without its name (`LayerSpec.shape`), and a kernel precision


class MissingLatency(ValueError):
    """A layer that a table has no entry for."""


@dataclass(frozen=True)
class LatencyTable:
    """Latency of layers on a device, each measured for itself; `calibration` leads to whole networks.

    Attributes:
        device: Where the entries hold.
        entries: Timing of one layer, by layer shape and kernel precision.
        calibration: Turns sums of entries into network latencies.
        fingerprint: The machine that the entries were measured on; empty while there are none.
        date: When the last entry was measured (ISO 8601); empty while there are none.
    """

    device: Device
    entries: Mapping[Key, Timing] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    date: str = ""

    @property
    def place(self) -> str:
        """The device and the machine that it was measured on, as one name."""
        machine = self.fingerprint.get("cpu", "")
        return f"{self.device.name} on {machine}" if machine else self.device.name

    def latency_ms(self, layer: LayerSpec, policy: LayerPolicy) -> float:
        """Latency of a layer under a policy, in milliseconds, before calibration.

        Raises:
            ValueError: If the device has no kernel for the policy.
            MissingLatency: If there is no entry for the layer.
        """
        precision = self.device.precision(policy)
        timing = self.entries.get((layer.shape, precision))
        if timing is None:
            place = f"{str(layer.shape)!r} at {precision} in {self.device.name!r}"
            raise MissingLatency(f"no latency for {place}; measure it with: nas profile JOB, without device.table")
        return timing.median_ms

    def missing(self, layers: Iterable[LayerSpec], policies: Sequence[LayerPolicy]) -> list[Key]:
        """What is to be measured before every layer has a latency under every policy; each once, in order.

        Raises:
            ValueError: If the device has no kernel for a policy.
        """
        precisions = list(dict.fromkeys(self.device.precision(policy) for policy in policies))
        wanted = dict.fromkeys((layer.shape, precision) for layer in layers for precision in precisions)
        return [key for key in wanted if key not in self.entries]

    def with_entries(self, entries: Mapping[Key, Timing], fingerprint: Mapping[str, str]) -> LatencyTable:
        """This table with entries added that were measured just now on the machine of `fingerprint`.

        Raises:
            ValueError: If the present entries come from another machine or runtime version.
        """
        self.check_machine(fingerprint)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return replace(self, entries={**self.entries, **entries}, fingerprint=dict(fingerprint), date=now)

    def with_calibration(self, calibration: Calibration) -> LatencyTable:
        """This table with another calibration."""
        return replace(self, calibration=calibration)

    def check_machine(self, fingerprint: Mapping[str, str]) -> None:
        """Raises ValueError if entries were measured on another machine than that of `fingerprint`."""
        if self.entries and self.fingerprint != fingerprint:
            pairs = {key: (self.fingerprint.get(key), now) for key, now in fingerprint.items()}
            changes = ", ".join(f"{key} was {was!r}, is {now!r}" for key, (was, now) in pairs.items() if was != now)
            raise ValueError(f"the latency table was measured on another machine ({changes}); start a new file")

    def frame(self) -> pd.DataFrame:
        """One row per entry: the layer's fields, precision, median_ms, spread, repeats; metadata in `attrs`."""
        import pandas as pd

        rows = [
            (*(getattr(layer, column) for column in _LAYER_COLUMNS), precision, t.median_ms, t.spread, t.repeats)
            for (layer, precision), t in self.entries.items()
        ]
        frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"median_ms": float})
        frame.attrs = {
            "schema_version": SCHEMA_VERSION,
            "device": asdict(self.device),
            "fingerprint": dict(self.fingerprint),
            "date": self.date,
            "calibration": asdict(self.calibration),
        }
        return frame

    def save(self, path: Path) -> None:
        """Writes a Parquet file, at once: a reader or a crash meets the old file or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            self.frame().to_parquet(draft, index=False)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> LatencyTable:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: If there is no file.
            ValueError: If it is not a latency table, has another schema version or impossible latencies.
        """
        import pandas as pd
        import pyarrow as pa

        try:
            frame = pd.read_parquet(path, engine="pyarrow")
        except (pa.ArrowInvalid, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(f"{path} is not a Parquet file") from error
        try:
            return _table(frame)
        except ValueError as error:
            raise ValueError(f"{path} is not a latency table: {error}") from error


def _table(frame: pd.DataFrame) -> LatencyTable:
    version = frame.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"its schema version is {version}, this program reads {SCHEMA_VERSION}")
    if tuple(frame.columns) != _COLUMNS:
        raise ValueError(f"its columns must be {', '.join(_COLUMNS)}; got {', '.join(map(str, frame.columns))}")
    medians = frame["median_ms"].to_numpy()
    if medians.dtype.kind not in "fi" or not np.isfinite(medians).all() or np.any(medians <= 0):
        raise ValueError("median_ms must be positive and finite in every row")
    if frame.isna().to_numpy().any():
        raise ValueError("it has empty cells")
    try:
        device, calibration = _device(frame.attrs["device"]), Calibration(**frame.attrs["calibration"])
        fingerprint, date = dict(frame.attrs["fingerprint"]), str(frame.attrs["date"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"its metadata are incomplete ({error!r})") from error
    entries = {}
    for row in frame.to_dict("records"):
        layer = LayerSpec("", **{column: row[column] for column in _LAYER_COLUMNS})
        entries[layer, row["precision"]] = Timing(row["median_ms"], row["spread"], row["repeats"])
    if len(entries) != len(frame):
        raise ValueError("it has several rows for one layer and precision")
    return LatencyTable(device, entries, calibration, fingerprint, date)


def _device(document: Mapping[str, Any]) -> Device:
    precisions = [KernelPrecision(**{**p, "weight_bits": tuple(p["weight_bits"])}) for p in document["precisions"]]
    return Device(**{**document, "precisions": tuple(precisions)})
