"""The section of a job file that says on which device latency counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field, model_validator

from hardware.device import DEVICES, Device, get_device
from nas.export.target import DEFAULT_TARGET, ExportTarget
from nas.jobs.files.bounds import MOST_INPUTS, MOST_MEASURED, MOST_THREADS
from nas.jobs.files.section import Section

_OPENVINO = ExportTarget.parse("openvino>=2025.0")


class DeviceSection(Section):
    """The device whose latency counts: one of this machine, with threads and inputs per inference, or that of a table.

    A limit on latency is refused if the table's error on whole networks is known and large; `accept_poor_fit` accepts
    any. That error is not known of imported and estimated tables.
    """

    name: str = "onnxruntime_cpu"
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1
    batch: Annotated[int, Field(ge=1, le=MOST_INPUTS)] = 1
    table: str | None = None
    calibration_networks: Annotated[int, Field(ge=4, le=MOST_MEASURED)] = 300
    accept_poor_fit: bool = False

    @model_validator(mode="after")
    def _is_here_or_has_a_table(self) -> DeviceSection:
        if self.table is None:
            self.here()
        elif (self.threads, self.batch) != (1, 1):
            raise ValueError("threads and batch are those of the table, where one is given; leave them out")
        return self

    def here(self) -> Device:
        """The device on this machine.

        Raises:
            ValueError: If its name is not registered.
        """
        return replace(get_device(self.name), threads=self.threads, batch=self.batch)

    @property
    def target(self) -> ExportTarget:
        """What exported files are for: the runtime of the device where files have a form of their own for it."""
        runtime = get_device(self.name).runtime if self.name in DEVICES else ""  # that of a table may be any
        return _OPENVINO if runtime == _OPENVINO.runtime else DEFAULT_TARGET
