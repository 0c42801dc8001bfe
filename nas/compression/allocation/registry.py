"""Allocators by name. An entry is loaded, and its solver, when its name is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Located, Registry

if TYPE_CHECKING:
    from nas.compression.allocation.allocator import Allocator

_ROOM = "nas.compression.allocation"

ALLOCATORS: Registry[Callable[[], Allocator]] = Registry(
    "allocator",
    {
        "milp": Located(f"{_ROOM}.milp", "MilpAllocator"),
        "frontier": Located(f"{_ROOM}.frontier_allocator", "FrontierAllocator"),
        "dynamic_program": Located(f"{_ROOM}.dynamic_program", "DynamicProgramAllocator"),
        "local_search": Located(f"{_ROOM}.local_search", "LocalSearchAllocator"),
        "greedy": Located(f"{_ROOM}.greedy", "GreedyAllocator"),
    },
)
