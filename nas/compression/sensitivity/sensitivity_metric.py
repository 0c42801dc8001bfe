"""What every sensitivity metric keeps to, and what it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.compression.tracing.trace import TracedNetwork
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import REFERENCE
from search_spaces.elastic.weight_layout import output_first
from search_spaces.elastic.weight_steps import Quantizer
from search_spaces.layer_spec import LayerSpec

FloatArray = NDArray[np.float64]
Choices = Sequence[Sequence[LayerPolicy]]


@dataclass(frozen=True, eq=False)
class CompressibleLayers:
    """The layers of a trained network, and what they may choose from.

    Attributes:
        weights: One per layer, with its output channels first.
        choices: The policies of each layer.
        quantizer: Chooses the steps in which weights are rounded.

    Raises:
        ValueError: If there are more or fewer choices than layers, or none for a layer.
    """

    weights: tuple[Tensor, ...]
    choices: tuple[tuple[LayerPolicy, ...], ...]
    quantizer: Quantizer = REFERENCE

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.choices) or not all(self.choices):
            counts = [len(known) for known in self.choices]
            raise ValueError(f"each of {len(self.weights)} layers needs one or more policies, got {counts}")

    @classmethod
    def of_network(
        cls, network: nn.Module, layers: Sequence[LayerSpec], choices: Choices, quantizer: Quantizer = REFERENCE
    ) -> CompressibleLayers:
        """Those of a network of a space.

        Args:
            network: Contains a `Layer` of the name of every layer.
            layers: In the order of a policy.
            choices: The policies of each of them.
            quantizer: Chooses the steps in which weights are rounded.

        Raises:
            ValueError: If what has the name of a layer is none.
        """
        weights = tuple(_weight(network, layer.name) for layer in layers)
        return cls(weights, tuple(map(tuple, choices)), quantizer)

    @classmethod
    def of_traced(cls, traced: TracedNetwork, choices: Choices, quantizer: Quantizer = REFERENCE) -> CompressibleLayers:
        """Those of a given network, in the order of `traced.graph.layers`."""
        weights = tuple(
            output_first(traced.parameters[layer.weight].detach(), layer.units[0].call.operator)
            for layer in traced.graph.layers
        )
        return cls(weights, tuple(map(tuple, choices)), quantizer)


class SensitivityMetric(ABC):
    """Tells how much damage a policy does to a network in which it compresses one layer alone.

    The contract, kept by tests over all metrics: damage is finite and not negative, and 0 where a policy leaves a layer
    as it is; it is the same each time, and changes nothing. Damages add up as far as layers are independent: allocators
    choose by their sum. Metrics are frozen values, and those that draw have a seed.
    """

    @abstractmethod
    def damage(self, layers: CompressibleLayers) -> tuple[FloatArray, ...]:
        """The damage of the choices of every layer, each of shape (choices of the layer,)."""


def _weight(network: nn.Module, name: str) -> Tensor:
    layer = network.get_submodule(name)
    if not isinstance(layer, Layer):
        raise ValueError(f"{name} must be a Layer to be compressed, got {type(layer).__name__}; trace given networks")
    return layer.op.weight.detach()
