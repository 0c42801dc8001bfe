"""Factorisations by name. An entry is loaded, and torch, when its name is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Located, Registry

if TYPE_CHECKING:
    from nas.compression.low_rank.factorization import Factorization

_ROOM = "nas.compression.low_rank"

FACTORIZATIONS: Registry[Callable[[], Factorization]] = Registry(
    "factorization",
    {
        "svd": Located(f"{_ROOM}.svd", "TruncatedSvd"),
        "output_covariance": Located(f"{_ROOM}.output_covariance", "OutputCovariance"),
    },
)
