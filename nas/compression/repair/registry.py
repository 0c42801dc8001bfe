"""Repairs by name. An entry is loaded, and torch, when its name is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Located, Registry

if TYPE_CHECKING:
    from nas.compression.repair.repair import Repair

_ROOM = "nas.compression.repair"

REPAIRS: Registry[Callable[[], Repair]] = Registry(
    "repair",
    {
        "batch_norm": Located(f"{_ROOM}.batch_norm", "BatchNormReestimation"),
        "bias_correction": Located(f"{_ROOM}.bias_correction", "BiasCorrection"),
        "bias_tuning": Located(f"{_ROOM}.bias_tuning", "BiasTuning"),
    },
)
