"""The type of an analytic cost: its functions of layers, and how its values are written for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from search_spaces.choices import NonLayerCosts
from search_spaces.compressed_layer import expand_layer
from search_spaces.compression_policy import LayerPolicy
from search_spaces.layer_spec import LayerSpec


def _nothing(_costs: NonLayerCosts) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class AnalyticCost:
    """An exact cost of networks that follows from their layers and policies alone, summed over the layers.

    Less is better. Its name is the one under which it is registered: that of an objective in a job, of a metric in the
    results, and of an entry point `nas.analytic_costs` where it comes from another package.

    Attributes:
        unit: Unit that is shown to people, such as `bytes`.
        part_cost: Function that gives the cost of a layer under a policy, for one input. It is never asked for a policy
            of low rank or with a correction, see `layer_cost`.
        non_layer_cost: Function that gives the cost of what every network of a space has outside its layers, which no
            policy compresses.
        format: Format string with one field by which a value is written for people, such as `{:,.0f}`.
    """

    unit: str
    part_cost: Callable[[LayerSpec, LayerPolicy], float]
    non_layer_cost: Callable[[NonLayerCosts], float] = _nothing
    format: str = "{:,.0f}"

    def layer_cost(self, layer: LayerSpec, policy: LayerPolicy) -> float:
        """The cost of a layer under a policy, for one input: that of all layers that run in its place.

        Args:
            layer: The layer.
            policy: Its policy.

        Raises:
            ValueError: If the layer cannot be of the rank of the policy, or not be sparse in its way.
        """
        return sum(self.part_cost(part, rest) for part, rest in expand_layer(layer, policy))
