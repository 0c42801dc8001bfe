"""The description of an analytic device, in a few lines of YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from hardware.document import Word
from hardware.tables.roofline import Roofline
from nas.jobs.files.section import Section, read_section
from search_spaces.compression_policy import LayerPolicy

# From a microcontroller's to a thousand times that of the largest accelerator: what lies beyond is in another unit.
_Rate = Annotated[float, Field(ge=1e-6, le=1e9, allow_inf_nan=False)]
_Picojoules = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]


class RooflineFile(Section):
    """See `hardware.tables.roofline.Roofline`; policies are written like `w8a8`."""

    name: Word
    peak_gops: Annotated[dict[str, _Rate], Field(min_length=1)]
    bandwidth_gb_s: _Rate
    overhead_us: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
    energy_pj: dict[str, _Picojoules] = {}
    energy_pj_per_byte: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0

    @field_validator("peak_gops", "energy_pj")
    @classmethod
    def _by_policy(cls, values: dict[str, float]) -> dict[str, float]:
        for name in values:
            LayerPolicy.parse(name)
        return values


def load_roofline(path: Path) -> Roofline:
    """Reads a description.

    Raises:
        ValueError: In one line: what is wrong, where, and what would do.
    """
    found = read_section(path, RooflineFile)
    peaks, energies = (
        {LayerPolicy.parse(name): value for name, value in values.items()}
        for values in (found.peak_gops, found.energy_pj)
    )
    try:
        return Roofline(found.name, peaks, found.bandwidth_gb_s, found.overhead_us, energies, found.energy_pj_per_byte)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
