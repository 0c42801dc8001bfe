"""Roundings by name. An entry is loaded, and torch, when its name is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Located, Registry

if TYPE_CHECKING:
    from nas.compression.rounding.rounding import Rounding

_ROOM = "nas.compression.rounding"

ROUNDINGS: Registry[Callable[[], Rounding]] = Registry(
    "rounding",
    {
        "nearest": Located(f"{_ROOM}.round_to_nearest", "RoundToNearest"),
        "ada_round": Located(f"{_ROOM}.ada_round", "AdaRound"),
        "ada_quant": Located(f"{_ROOM}.ada_quant", "AdaQuant"),
        "gptq": Located(f"{_ROOM}.gptq", "Gptq"),
        "quant_ease": Located(f"{_ROOM}.quant_ease", "QuantEase"),
    },
)
