"""Importances of channels by name. An entry is loaded, and torch, when its name is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Located, Registry

if TYPE_CHECKING:
    from nas.compression.pruning.importance import Importance

_ROOM = "nas.compression.pruning"

IMPORTANCES: Registry[Callable[[], Importance]] = Registry(
    "importance",
    {
        "magnitude": Located(f"{_ROOM}.magnitude", "Magnitude"),
        "taylor": Located(f"{_ROOM}.taylor", "Taylor"),
        "trajectory": Located(f"{_ROOM}.trajectory", "Trajectory"),
        "relevance": Located(f"{_ROOM}.relevance", "Relevance"),
        "surgeon": Located(f"{_ROOM}.surgeon", "Surgeon"),
    },
)
