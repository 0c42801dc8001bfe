"""Runs a network node by node over all batches, so that a layer can be changed before anything reads its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.elastic.wiring import Walk
from search_spaces.network_graph import Node


def run_batches(
    network: GraphNetwork,
    batches: Sequence[Tensor],
    before: Callable[[Node, Sequence[Sequence[Any]]], None],
    after: Callable[[str, Sequence[Any]], None],
) -> list[Sequence[Any]]:
    """Runs every node for all batches before the next node; memory holds the values that are still to be read.

    Args:
        network: A network of one input.
        batches: Its inputs, each of shape (batch, ...).
        before: Called before a node is run, with the batches of each value that the node reads.
        after: Called with the name of a value, an input of the network or a node, and its batches.

    Returns:
        The batches of each output of the network.
    """

    def run(node: Node, inputs: Sequence[Sequence[Any]]) -> list[Any]:
        before(node, inputs)
        values = [
            network.run_node(node, [value[index] for value in inputs], len(batch), batch.device)
            for index, batch in enumerate(batches)
        ]
        after(node.name, values)
        return values

    name = network.graph.inputs[0][0]
    after(name, batches)
    return Walk(network.graph.nodes, network.graph.outputs)({name: batches}, run)
