"""Rounding of weights in steps that are trained with them (LSQ, Esser et al., ICLR 2020)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations

from nas.compression.rounding.fixed_steps import FixedSteps
from search_spaces.compression_policy import FULL_PRECISION_BITS
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.quantizers import WeightQuantizer
from search_spaces.elastic.weight_steps import SMALLEST_STEP, to_output_first, to_step_rows, to_stored_layout
from search_spaces.network_graph import WeightedLayer
from search_spaces.operators.operator import Operator


class LearnedSteps(nn.Module):
    """Rounds a weight, as a parametrisation of torch: gradients reach the weight, and the step of every channel.

    The gradient of a weight is that of the rounded one where no code is clipped, and 0 elsewhere. A step is trained as
    a multiple of what it was at the beginning, so a rate is a share of it: Adam moves all that it trains by the rate,
    which may be as much as a step of 8 bits is. Adam divides by the size of gradients, so the factor by which LSQ
    scales those of steps (section 2.2) would have no effect.

    Args:
        steps: The steps at the beginning, shape (rows,), positive; one for each row of `to_step_rows`.
        quantizer: The quantiser of the weight, with the bits of a code and the size of groups.
        operator: The operator of the weight.
    """

    def __init__(self, steps: Tensor, quantizer: WeightQuantizer, operator: Operator) -> None:
        super().__init__()
        self.multiples = nn.Parameter(torch.ones_like(steps))
        self.register_buffer("_start", steps.clone(), persistent=False)
        self._limit, self._operator = 2 ** (quantizer.bits - 1) - 1, operator
        self._group_size = quantizer.group_size

    @property
    def steps(self) -> Tensor:
        """The steps as they are now, shape (rows,), positive."""
        return (self.multiples * self.get_buffer("_start")).clamp_min(SMALLEST_STEP)

    def forward(self, weight: Tensor) -> Tensor:
        """The rounded weight, in the stored layout of the weight."""
        first = to_output_first(weight, self._operator)
        rows = to_step_rows(first, self._group_size)
        steps = self.steps.view(-1, *[1] * (rows.dim() - 1))
        codes = (rows / steps).clamp(-self._limit, self._limit)
        codes = codes + (codes.round() - codes).detach()
        return to_stored_layout((codes * steps).view_as(first), self._operator)


class StepLearning:
    """The rounded weights of a compressed network while they are trained.

    Args:
        network: A compressed network, changed in place: its weights get steps that are trained, from those that it
            rounds in.
    """

    def __init__(self, network: GraphNetwork) -> None:
        self._network, self._learned = network, dict[str, tuple[WeightQuantizer, LearnedSteps]]()
        for layer in network.graph.layers:
            quantizer = network.weight_quantizer(layer.weight)
            if quantizer is None or quantizer.bits == FULL_PRECISION_BITS or layer.weight in self._learned:
                continue
            weight, operator = network.tensor(layer.weight), _operator(layer)
            steps = quantizer.steps(to_output_first(weight.detach(), operator))
            learned = LearnedSteps(steps, quantizer, operator)
            network.round_weight(layer.weight, FULL_PRECISION_BITS)  # the parametrisation rounds it
            register_parametrization(network, network.attribute(layer.weight), learned)
            self._learned[layer.weight] = (quantizer, learned)

    @property
    def multiples(self) -> Mapping[str, nn.Parameter]:
        """What steps are multiplied by, which is trained, shape (rows,), by the name of their weight."""
        return {name: learned.multiples for name, (_, learned) in self._learned.items()}

    @torch.no_grad()
    def finish(self) -> None:
        """Leaves the network with its weights on their grids, in fixed steps, as exports and `compress` have it."""
        for name, (quantizer, learned) in self._learned.items():
            remove_parametrizations(self._network, self._network.attribute(name), leave_parametrized=True)
            steps = FixedSteps.of(learned.steps)
            self._network.round_weight(name, quantizer.bits, steps, quantizer.group_size)


def _operator(layer: WeightedLayer) -> Operator:
    return layer.units[0].call.operator
