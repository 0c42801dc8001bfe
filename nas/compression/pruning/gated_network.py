"""A network whose channels have gates: factors by which layers that sum over channels read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nas.compression.sensitivity.policy_runs import join_outputs
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.channels.coupled_channels import FIXED, CoupledChannels
from search_spaces.elastic.wiring import Walk
from search_spaces.network_graph import Node
from search_spaces.operators.weighted import Convolution, Linear


class GatedNetwork:
    """Runs a network with a gate for each channel; a gate of 0 does what removing the channel does.

    Every channel is in the end read by layers that sum over channels, and the gate stands where these read it, so one
    factor has the effect of all: the gradient by it is that by the channel, over all layers that read it.

    Args:
        traced: The network; it is not changed.
        channels: Its channels.
    """

    def __init__(self, traced: TracedNetwork, channels: CoupledChannels) -> None:
        self._network, self._walk = traced.network(), Walk(traced.graph.nodes, traced.graph.outputs)
        self._gated: dict[str, tuple[int, Tensor]] = {}
        for node in traced.graph.nodes:
            axis = find_summed_axis(node)
            if axis is not None and (channels.values[node.inputs[0]][axis] != FIXED).any():
                numbers = torch.from_numpy(channels.values[node.inputs[0]][axis])
                self._gated[node.name] = (axis, numbers % (channels.count + 1))  # what stays has the last gate

    def forward(self, inputs: Tensor, gates: Tensor, see: Callable[[str, Tensor], None] | None = None) -> Tensor:
        """The joined outputs for a batch, shape (batch, ...), with gradients to the gates.

        Args:
            inputs: The inputs of the network, which has one, shape (batch, ...).
            gates: The factors of the channels, shape (batch, channels) or (1, channels).
            see: Called with the name of each layer's call and what it writes, shape (batch, ...).
        """
        gates = torch.cat([gates, torch.ones_like(gates[:, :1])], 1)

        def run(node: Node, values: Sequence[Any]) -> Any:
            if node.name in self._gated:
                axis, numbers = self._gated[node.name]
                shape = [len(gates), *[1] * (values[0].dim() - 1)]
                shape[axis] = len(numbers)
                values = [values[0] * gates[:, numbers].view(shape)]
            value = self._network.run_node(node, values, len(inputs), inputs.device)
            if see is not None and node.weight is not None:
                see(node.name, value)
            return value

        ((name, _),) = self._network.graph.inputs
        return join_outputs(tuple(self._walk({name: inputs}, run)))


def find_summed_axis(node: Node) -> int | None:
    """The axis of its input over which a node sums by a weight, counted from the end; None if it does not.

    A depthwise convolution sums over no channels.

    Args:
        node: A node of a graph.
    """
    operator = node.operator
    if isinstance(operator, Convolution) and not operator.groups == operator.in_channels > 1:
        return -len(operator.kernel) - 1
    return -1 if isinstance(operator, Linear) else None
