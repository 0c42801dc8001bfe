"""The observer and the quantiser by which networks are compressed after their training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nas.compression.observers.observer import Observer
from nas.compression.observers.registry import OBSERVERS
from search_spaces.elastic.quantizers import REFERENCE
from search_spaces.elastic.weight_steps import Quantizer

if TYPE_CHECKING:
    from nas.compression.repair.recipe import Recipe

_PERCENTILE = OBSERVERS["percentile_99_99"]()


@dataclass(frozen=True)
class CompressionMethods:
    """The methods that choose ranges and steps; the bits are those of the policy.

    Attributes:
        observer: Takes the ranges of activations.
        quantizer: Chooses the steps of weights for which no steps were learnt in training.
        repair: How a given network is rounded and repaired against itself; None rounds every weight to the nearest
            code. It is no part of the text of the methods, by which results of before are known.

    Raises:
        ValueError: If one is no frozen dataclass: runs are named by the methods, and workers compare copies of them.
    """

    observer: Observer = _PERCENTILE
    quantizer: Quantizer = REFERENCE
    repair: Recipe | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for method in (self.observer, self.quantizer, *([] if self.repair is None else [self.repair])):
            parameters = getattr(method, "__dataclass_params__", None)
            if parameters is None or not (parameters.frozen and parameters.eq):
                name = type(method).__name__
                raise ValueError(
                    f"observers and quantizers must be frozen dataclasses, which equal copies are; got {name}"
                )


DEFAULT_METHODS = CompressionMethods()
