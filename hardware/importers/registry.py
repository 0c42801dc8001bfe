"""The importers of published latency tables, by the name of their format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hardware.importers.apq import read_apq
from hardware.importers.haq import read_haq
from hardware.importers.hawq import read_hawq
from hardware.importers.once_for_all import read_once_for_all
from hardware.tables.latency_table import LatencyTable
from search_spaces.registry import Registry

IMPORTERS: Registry[Callable[[Path], LatencyTable]] = Registry(
    "table format",
    {
        "once_for_all": read_once_for_all,
        "haq": read_haq,
        "apq": read_apq,
        "hawq": read_hawq,
    },
)


def import_table(name: str, path: Path) -> LatencyTable:
    """Reads a table of a known format.

    Args:
        name: Name of the format, a key of `IMPORTERS`.
        path: The published file.

    Raises:
        ValueError: If the format is unknown, or the file does not have it.
        FileNotFoundError: If a file does not exist.
    """
    return IMPORTERS[name](path)
