"""Equalisations by name. An entry loads its module and torch when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from nas.compression.equalization.equalization import Equalization


def _cross_layer() -> Equalization:
    from nas.compression.equalization.cross_layer import CrossLayerEqualization

    return CrossLayerEqualization()


def _activation_aware() -> Equalization:
    from nas.compression.equalization.activation_aware import ActivationAwareScaling

    return ActivationAwareScaling()


def _layer_norm() -> Equalization:
    from nas.compression.equalization.layer_norm import LayerNormReparameterization

    return LayerNormReparameterization()


EQUALIZATIONS: Registry[Callable[[], Equalization]] = Registry(
    "equalization",
    {"cross_layer": _cross_layer, "activation_aware": _activation_aware, "layer_norm": _layer_norm},
)
