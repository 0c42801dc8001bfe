"""The forms of input by name. A new one is one function and one line in a module of this folder."""

from __future__ import annotations

from fuzzer import Format

from formats import (
    checkpoints,
    commands,
    databases,
    datasets,
    images,
    latency_tables,
    settings,
    stages,
    texts,
)

FORMATS: dict[str, Format] = {
    **settings.FORMATS,
    **latency_tables.FORMATS,
    **checkpoints.FORMATS,
    **databases.FORMATS,
    **images.FORMATS,
    **datasets.FORMATS,
    **texts.FORMATS,
    **stages.FORMATS,
    **commands.FORMATS,
}
