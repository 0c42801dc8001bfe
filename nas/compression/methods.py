"""The observer and the quantiser by which networks are compressed after their training."""

from __future__ import annotations

from dataclasses import dataclass

from nas.compression.observers.observer import Observer
from nas.compression.observers.registry import OBSERVERS
from search_spaces.elastic.quantizers import REFERENCE
from search_spaces.elastic.weight_steps import Quantizer

_PERCENTILE = OBSERVERS["percentile_99_99"]()


@dataclass(frozen=True)
class CompressionMethods:
    """The methods that choose ranges and steps; the bits are those of the policy.

    Attributes:
        observer: Takes the ranges of activations.
        quantizer: Chooses the steps of weights for which no steps were learnt in training.
    """

    observer: Observer = _PERCENTILE
    quantizer: Quantizer = REFERENCE


DEFAULT_METHODS = CompressionMethods()
