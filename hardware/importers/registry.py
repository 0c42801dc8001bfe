"""The importers by name.

In: a name and a file. Out: a `LatencyTable`. Knows no format itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hardware.importers.apq import apq
from hardware.importers.haq import haq
from hardware.importers.hawq import hawq
from hardware.importers.once_for_all import once_for_all
from hardware.tables.latency_table import LatencyTable
from search_spaces.registry import Registry

IMPORTERS: Registry[Callable[[Path], LatencyTable]] = Registry(
    "table format",
    {
        "once_for_all": once_for_all,
        "haq": haq,
        "apq": apq,
        "hawq": hawq,
    },
)


def import_table(name: str, path: Path) -> LatencyTable:
    """Reads a table of a known format.

    Raises:
        ValueError: If the format is unknown, or the file is not of it.
        FileNotFoundError: If there is no file.
    """
    return IMPORTERS[name](path)
