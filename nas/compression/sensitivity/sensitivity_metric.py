"""What every sensitivity metric keeps to, and what it reads."""

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
    """The layers of a trained network, and what they may choose from.

    Attributes:
        weights: One per layer, with its output channels first.
        choices: The policies of each layer.
        quantizer: Chooses the steps of weights that have not learnt theirs.
        steps: The learnt step of each layer, shape (out,), or None; there may be none at all.

    Raises:
        ValueError: If there are more or fewer choices or steps than layers, or no choices for a layer.
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
            network: Contains a `Layer` of the name of every layer.
            layers: In the order of a policy.
            choices: The policies of each of them.
            quantizer: Chooses the steps of weights that have not learnt theirs.

        Raises:
            ValueError: If what has the name of a layer is none.
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
            choices: The policies of each of `traced.graph.layers`.
            quantizer: Chooses the steps of the weights.
        """
        weights = tuple(
            to_output_first(traced.parameters[layer.weight].detach(), layer.units[0].call.operator)
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


def _layer(network: nn.Module, name: str) -> Layer:
    layer = network.get_submodule(name)
    if not isinstance(layer, Layer):
        raise ValueError(f"{name} must be a Layer to be compressed, got {type(layer).__name__}; trace given networks")
    return layer
