"""Factorisations by name. An entry loads its module and torch when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from search_spaces.registry import Registry

if TYPE_CHECKING:
    from nas.compression.low_rank.factorization import Factorization


def _svd() -> Factorization:
    from nas.compression.low_rank.svd import TruncatedSvd

    return TruncatedSvd()


def _output_covariance() -> Factorization:
    from nas.compression.low_rank.output_covariance import OutputCovariance

    return OutputCovariance()


FACTORIZATIONS: Registry[Callable[[], Factorization]] = Registry(
    "factorization", {"svd": _svd, "output_covariance": _output_covariance}
)
