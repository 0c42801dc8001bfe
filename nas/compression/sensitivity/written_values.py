"""What the layers of a network write: the values behind their calls, and how their channels lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.sensitivity.policy_runs import walk_values
from nas.compression.subject import CompressionSubject
from search_spaces.network_graph import NetworkGraph
from search_spaces.operators.weighted import Convolution


@dataclass(frozen=True)
class Written:
    """A value that a call of a layer writes, behind the normalisation and the activation that are fused with it.

    Attributes:
        layer: Index of the layer.
        name: Name of the value in the graph.
        channels: Axis of its channels, counted from the end.
    """

    layer: int
    name: str
    channels: int

    def as_rows(self, value: Tensor) -> Tensor:
        """A row of channels for each position of each sample, shape (rows, channels).

        Args:
            value: Shape (batch, ...).
        """
        return value.movedim(self.channels, -1).flatten(0, -2)


def find_written(graph: NetworkGraph) -> tuple[Written, ...]:
    """The values that layers write, in the order of the layers; a layer that is called twice writes two."""
    found = []
    for index, layer in enumerate(graph.layers):
        for unit in layer.units:
            operator = unit.call.operator
            channels = -len(operator.kernel) - 1 if isinstance(operator, Convolution) else -1
            found.append(Written(index, (unit.activation or unit.accumulated).name, channels))
    return tuple(found)


@torch.no_grad()
def read_written(subject: CompressionSubject) -> Iterator[tuple[Written, Tensor]]:
    """Runs the trained network on all data, and gives what its layers write, batch by batch, shape (batch, ...).

    Args:
        subject: A network with data.
    """
    by_name = {one.name: one for one in find_written(subject.traced.graph)}
    network = subject.traced.network()
    for inputs in subject.need_data():
        for name, value in walk_values(network, by_name.keys(), inputs):
            yield by_name[name], value
