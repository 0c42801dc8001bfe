"""Roundings by name. An entry loads its module and torch when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from nas.compression.rounding.rounding import Rounding


def _nearest() -> Rounding:
    from nas.compression.rounding.round_to_nearest import RoundToNearest

    return RoundToNearest()


def _ada_round() -> Rounding:
    from nas.compression.rounding.ada_round import AdaRound

    return AdaRound()


def _ada_quant() -> Rounding:
    from nas.compression.rounding.ada_quant import AdaQuant

    return AdaQuant()


def _gptq() -> Rounding:
    from nas.compression.rounding.gptq import Gptq

    return Gptq()


def _quant_ease() -> Rounding:
    from nas.compression.rounding.quant_ease import QuantEase

    return QuantEase()


ROUNDINGS: Registry[Callable[[], Rounding]] = Registry(
    "rounding",
    {
        "nearest": _nearest,
        "ada_round": _ada_round,
        "ada_quant": _ada_quant,
        "gptq": _gptq,
        "quant_ease": _quant_ease,
    },
)
