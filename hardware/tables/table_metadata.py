"""The metadata of latency tables: what is the same for all rows, as a model that reading and writing check alike."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hardware.calibration.calibration import Calibration
from hardware.calibration.fit_quality import FitQuality
from hardware.calibration.tensor_costs import TensorCost, TensorCosts
from hardware.calibration.tensor_use import TensorUse
from hardware.device import Device, Precision
from hardware.document import Above0, Document, Line, NotNegative, Number, Word, make_document
from hardware.tables.entry import Entry, Segment
from hardware.tables.latency_table import Ignored, LatencyTable, Origin

SCHEMA_VERSION = 5  # raised with every change of the format, which then must read or refuse the versions before
_ROUNDING = 1e-9  # by which a correlation or a share of variance may exceed 1

Bits = Literal[2, 3, 4, 5, 6, 7, 8, 32]
Metric = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class PrecisionMetadata(Document):
    """See `hardware.device.Precision`."""

    weight_bits: Annotated[tuple[Bits, ...], Field(min_length=1)]
    activation_bits: Bits

    def precision(self) -> Precision:
        """As a value."""
        return Precision(self.weight_bits, self.activation_bits)

    @model_validator(mode="after")
    def _ascends(self) -> PrecisionMetadata:
        self.precision()
        return self


class DeviceMetadata(Document):
    """See `hardware.device.Device`."""

    name: Word
    runtime: Word
    threads: Annotated[int, Field(ge=1, le=1 << 16)]
    batch: Annotated[int, Field(ge=1, le=1 << 24)]
    precisions: Annotated[tuple[PrecisionMetadata, ...], Field(min_length=1, max_length=64)]
    processor: Literal["cpu", "cuda"]

    def device(self) -> Device:
        """As a value."""
        precisions = tuple(one.precision() for one in self.precisions)
        return Device(self.name, self.runtime, self.threads, self.batch, precisions, self.processor)


class QualityMetadata(Document):
    """See `hardware.calibration.fit_quality.FitQuality`."""

    error_percent: NotNegative
    kendall_tau: Annotated[Number, Field(ge=-1 - _ROUNDING, le=1 + _ROUNDING)]
    explained: Annotated[Number, Field(le=1 + _ROUNDING)]
    networks: Annotated[int, Field(ge=2, le=1 << 31)]


class CalibrationMetadata(Document):
    """See `hardware.calibration.calibration.Calibration`; tensors by their use, each with its two costs."""

    constant_ms: Number
    tensors: dict[Annotated[str, Field(max_length=20_000)], tuple[Number, Number]]
    quality: QualityMetadata | None

    @field_validator("tensors")
    @classmethod
    def _are_of_different_uses(cls, tensors: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        if len({TensorUse.parse(text) for text in tensors}) != len(tensors):
            raise ValueError("each use of a tensor must have one cost")
        return tensors

    def calibration(self) -> Calibration:
        """As a value."""
        tensors = {TensorUse.parse(text): TensorCost(*cost) for text, cost in self.tensors.items()}
        quality = None if self.quality is None else FitQuality(**self.quality.model_dump())
        return Calibration(self.constant_ms, TensorCosts(tensors), quality)


class TableMetadata(Document):
    """See `hardware.tables.latency_table.LatencyTable`: its fields but for the entries."""

    schema_version: Literal[5]
    device: DeviceMetadata
    origin: Origin
    ignores: tuple[Ignored, ...]
    constants: dict[Metric, NotNegative]
    reference_ms: Above0 | None
    fingerprint: dict[Word, Line]
    date: Line
    calibration: CalibrationMetadata

    @field_validator("date")
    @classmethod
    def _is_a_time(cls, date: str) -> str:
        if date:
            datetime.fromisoformat(date)
        return date

    @classmethod
    def of(cls, table: LatencyTable) -> TableMetadata:
        """The metadata of a table.

        Raises:
            ValueError: If a value of the table is none that its file may hold, such as a cost that is not finite.
        """
        calibration = table.calibration
        values = {
            "schema_version": SCHEMA_VERSION,
            "device": asdict(table.device),
            "origin": table.origin,
            "ignores": table.ignores,
            "constants": dict(table.constants),
            "reference_ms": table.reference_ms,
            "fingerprint": dict(table.fingerprint),
            "date": table.date,
            "calibration": {
                "constant_ms": calibration.constant_ms,
                "tensors": {
                    str(use): (cost.latency_ms, cost.latency_ms_per_element)
                    for use, cost in calibration.tensors.by_use.items()
                },
                "quality": calibration.quality and asdict(calibration.quality),
            },
        }
        return make_document(values, cls)

    def table(self, entries: dict[Segment, Entry]) -> LatencyTable:
        """The table with these metadata and entries."""
        return LatencyTable(
            self.device.device(),
            entries,
            self.origin,
            self.ignores,
            self.constants,
            self.calibration.calibration(),
            self.reference_ms,
            self.fingerprint,
            self.date,
        )
