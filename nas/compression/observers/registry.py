"""Observers by name. An entry loads its module and torch when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from nas.compression.observers.observer import Observer


def _min_max() -> Observer:
    from nas.compression.observers.min_max_range import MinMaxRange

    return MinMaxRange()


def _percentile_99_99() -> Observer:
    from nas.compression.observers.percentile import Percentile

    return Percentile(99.99)


def _mse() -> Observer:
    from nas.compression.observers.mse_range import LeastSquaredErrorRange

    return LeastSquaredErrorRange()


def _kl() -> Observer:
    from nas.compression.observers.kl_range import LeastDivergenceRange

    return LeastDivergenceRange()


OBSERVERS: Registry[Callable[[], Observer]] = Registry(
    "observer", {"percentile_99_99": _percentile_99_99, "min_max": _min_max, "mse": _mse, "kl": _kl}
)
