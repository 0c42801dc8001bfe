"""Quantisers by name. An entry loads its module and torch when it is created.

The reference, `min_max`, lies in `search_spaces.elastic`, as supernets are trained with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from search_spaces.elastic.weight_steps import Quantizer


def _min_max() -> Quantizer:
    from search_spaces.elastic.weight_steps import MaxAbsSteps

    return MaxAbsSteps()


def _mse() -> Quantizer:
    from nas.compression.quantizers.mse import LeastSquaredError

    return LeastSquaredError()


QUANTIZERS: Registry[Callable[[], Quantizer]] = Registry("quantizer", {"min_max": _min_max, "mse": _mse})
