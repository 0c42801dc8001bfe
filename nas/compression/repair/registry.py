"""Repairs by name. An entry loads its module and torch when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from nas.compression.repair.repair import Repair


def _batch_norm() -> Repair:
    from nas.compression.repair.batch_norm import BatchNormReestimation

    return BatchNormReestimation()


def _bias_correction() -> Repair:
    from nas.compression.repair.bias_correction import BiasCorrection

    return BiasCorrection()


def _bias_tuning() -> Repair:
    from nas.compression.repair.bias_tuning import BiasTuning

    return BiasTuning()


REPAIRS: Registry[Callable[[], Repair]] = Registry(
    "repair", {"batch_norm": _batch_norm, "bias_correction": _bias_correction, "bias_tuning": _bias_tuning}
)
