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


def _frontier() -> Allocator:
    from nas.compression.allocation.frontier_allocator import FrontierAllocator

    return FrontierAllocator()


def _dynamic_program() -> Allocator:
    from nas.compression.allocation.dynamic_program import DynamicProgramAllocator

    return DynamicProgramAllocator()


def _local_search() -> Allocator:
    from nas.compression.allocation.local_search import LocalSearchAllocator

    return LocalSearchAllocator()


def _greedy() -> Allocator:
    from nas.compression.allocation.greedy import GreedyAllocator

    return GreedyAllocator()


ALLOCATORS: Registry[Callable[[], Allocator]] = Registry(
    "allocator",
    {
        "milp": _milp,
        "frontier": _frontier,
        "dynamic_program": _dynamic_program,
        "local_search": _local_search,
        "greedy": _greedy,
    },
)
