"""Equalisations by name. An entry is loaded, and torch, when its name is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Located, Registry

if TYPE_CHECKING:
    from nas.compression.equalization.equalization import Equalization

_ROOM = "nas.compression.equalization"

EQUALIZATIONS: Registry[Callable[[], Equalization]] = Registry(
    "equalization",
    {
        "cross_layer": Located(f"{_ROOM}.cross_layer", "CrossLayerEqualization"),
        "activation_aware": Located(f"{_ROOM}.activation_aware", "ActivationAwareScaling"),
        "layer_norm": Located(f"{_ROOM}.layer_norm", "LayerNormReparameterization"),
    },
)
