"""Which observer and which quantiser carry out what a policy says, on a network that is trained."""

from __future__ import annotations

from dataclasses import dataclass

from nas.compression.observers.observer import Observer
from nas.compression.observers.registry import OBSERVERS
from search_spaces.elastic.quantizers import REFERENCE
from search_spaces.elastic.weight_steps import Quantizer

_PERCENTILE = OBSERVERS["percentile_99_99"]()


@dataclass(frozen=True)
class CompressionMethods:
    """What compresses a network after its training; a policy says by how much.

    Attributes:
        observer: Takes the ranges of activations.
        quantizer: Chooses the steps of weights that have not learnt theirs in a training with bits.
    """

    observer: Observer = _PERCENTILE
    quantizer: Quantizer = REFERENCE


DEFAULT_METHODS = CompressionMethods()
