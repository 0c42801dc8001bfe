"""The methods by which networks are compressed after their training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.compression.low_rank.factorization import Factorization
from nas.compression.low_rank.svd import TruncatedSvd
from nas.compression.observers.observer import Observer
from nas.compression.observers.registry import OBSERVERS
from search_spaces.elastic.quantizers import REFERENCE
from search_spaces.elastic.weight_steps import Quantizer

if TYPE_CHECKING:
    from nas.compression.repair.recipe import Recipe

_PERCENTILE = OBSERVERS["percentile_99_99"]()
SVD = TruncatedSvd()


@dataclass(frozen=True)
class CompressionMethods:
    """The methods that choose ranges, steps and factors; bits, ranks and zeros are those of the policy.

    Attributes:
        observer: Takes the ranges of activations.
        quantizer: Chooses the steps of weights for which no steps were learnt in training.
        repair: How a given network is rounded and repaired against itself; None rounds every weight to the nearest
            code. It is no part of the text of the methods, by which results of before are known.
        factorization: Chooses what layers of low rank keep; no part of the text either.

    Raises:
        ValueError: If one is no frozen dataclass: runs are named by the methods, and workers compare copies of them.
    """

    observer: Observer = _PERCENTILE
    quantizer: Quantizer = REFERENCE
    repair: Recipe | None = field(default=None, repr=False)
    factorization: Factorization = field(default=SVD, repr=False)

    def __post_init__(self) -> None:
        recipes = [] if self.repair is None else [self.repair]
        for method in (self.observer, self.quantizer, self.factorization, *recipes):
            parameters = getattr(method, "__dataclass_params__", None)
            if parameters is None or not (parameters.frozen and parameters.eq):
                name = type(method).__name__
                raise ValueError(
                    f"methods of compression must be frozen dataclasses, which equal copies are; got {name}"
                )


DEFAULT_METHODS = CompressionMethods()
