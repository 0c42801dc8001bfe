"""The contract of sensitivity metrics, and the layers that they read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nas.compression.tracing.trace import TracedNetwork
from search_spaces.additive_cost import FloatArray
from search_spaces.compression_policy import LayerPolicy
from search_spaces.elastic.layer import Layer
from search_spaces.elastic.quantizers import REFERENCE
from search_spaces.elastic.weight_steps import Quantizer, to_output_first
from search_spaces.layer_spec import LayerSpec

Choices = Sequence[Sequence[LayerPolicy]]


@dataclass(frozen=True, eq=False)
class CompressibleLayers:
    """The layers of a trained network, and the policies that they may take.

    Attributes:
        weights: The weight of each layer, shape (out, ...).
        choices: The policies that each layer may take.
        quantizer: Chooses the steps of weights for which no steps were learnt in training.
        steps: The learnt steps of each layer, shape (out,), or None for a layer without; empty if no layer has them.

    Raises:
        ValueError: If `choices` or `steps` are not as many as the layers, or a layer has no policies.
    """

    weights: tuple[Tensor, ...]
    choices: tuple[tuple[LayerPolicy, ...], ...]
    quantizer: Quantizer = REFERENCE
    steps: tuple[Tensor | None, ...] = ()

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.choices) or not all(self.choices):
            counts = [len(known) for known in self.choices]
            raise ValueError(f"each of {len(self.weights)} layers needs one or more policies, got {counts}")
        if len(self.steps) not in (0, len(self.weights)):
            raise ValueError(f"each of {len(self.weights)} layers needs a step or None, got {len(self.steps)}")

    @classmethod
    def from_network(
        cls, network: nn.Module, layers: Sequence[LayerSpec], choices: Choices, quantizer: Quantizer = REFERENCE
    ) -> CompressibleLayers:
        """The layers of a network of a space.

        Args:
            network: A network with a submodule of class `Layer` for every layer, under its name.
            layers: The layers of the network, in the order of its policy.
            choices: The policies that each layer may take.
            quantizer: Chooses the steps of weights for which no steps were learnt in training.

        Raises:
            ValueError: If the submodule of a layer is no `Layer`, or a layer has no policies.
        """
        found = [_layer(network, spec.name) for spec in layers]
        weights = tuple(layer.op.weight.detach() for layer in found)
        steps = tuple(None if layer.weight_step is None else layer.weight_step.detach() for layer in found)
        return cls(weights, tuple(map(tuple, choices)), quantizer, steps)

    @classmethod
    def from_traced(
        cls, traced: TracedNetwork, choices: Choices, quantizer: Quantizer = REFERENCE
    ) -> CompressibleLayers:
        """The layers of a given network.

        Args:
            traced: The network.
            choices: The policies that each of `traced.graph.layers` may take.
            quantizer: Chooses the steps of the weights.
        """
        weights = tuple(
            to_output_first(traced.parameters[layer.weight].detach(), layer.units[0].call.operator)
            for layer in traced.graph.layers
        )
        return cls(weights, tuple(map(tuple, choices)), quantizer)


class SensitivityMetric(ABC):
    """Estimates the damage to a network if a policy compresses one of its layers alone.

    The contract, which tests check for all registered metrics: Damage is finite and not negative, and 0 where a policy
    leaves a layer as it is. It is the same each time, and the layers are not changed. Allocators minimise the sum of
    damages over layers, as if layers were independent. Metrics are frozen dataclasses; one that draws random numbers
    has a seed.
    """

    @abstractmethod
    def damage(self, layers: CompressibleLayers) -> tuple[FloatArray, ...]:
        """The damage of the choices of every layer, each of shape (choices of the layer,)."""


def _layer(network: nn.Module, name: str) -> Layer:
    layer = network.get_submodule(name)
    if not isinstance(layer, Layer):
        raise ValueError(f"{name} must be a Layer to be compressed, got {type(layer).__name__}; trace given networks")
    return layer
