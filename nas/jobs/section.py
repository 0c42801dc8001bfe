"""What all sections of a job file keep to: no unknown keys, no conversions, no changes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a job file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
