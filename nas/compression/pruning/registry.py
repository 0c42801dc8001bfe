"""Importances of channels by name. An entry loads its module and torch when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from nas.compression.pruning.importance import Importance


def _magnitude() -> Importance:
    from nas.compression.pruning.magnitude import Magnitude

    return Magnitude()


def _taylor() -> Importance:
    from nas.compression.pruning.taylor import Taylor

    return Taylor()


def _trajectory() -> Importance:
    from nas.compression.pruning.trajectory import Trajectory

    return Trajectory()


def _relevance() -> Importance:
    from nas.compression.pruning.relevance import Relevance

    return Relevance()


def _surgeon() -> Importance:
    from nas.compression.pruning.surgeon import Surgeon

    return Surgeon()


IMPORTANCES: Registry[Callable[[], Importance]] = Registry(
    "importance",
    {
        "magnitude": _magnitude,
        "taylor": _taylor,
        "trajectory": _trajectory,
        "relevance": _relevance,
        "surgeon": _surgeon,
    },
)
