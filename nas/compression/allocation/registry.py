"""Allocators by name. An entry loads its solver when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from nas.compression.allocation.allocator import Allocator


def _milp() -> Allocator:
    from nas.compression.allocation.milp import MilpAllocator

    return MilpAllocator()


ALLOCATORS: Registry[Callable[[], Allocator]] = Registry("allocator", {"milp": _milp})
