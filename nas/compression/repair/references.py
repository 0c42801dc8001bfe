"""What the layers of the original network yield on calibration data, at a sample of positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.repair.layer_rows import can_be_rows, draw_positions, sample_outputs
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.elastic.wiring import Walk
from search_spaces.network_graph import NetworkGraph, Node, Unit
from search_spaces.operators.products import Add


@dataclass(frozen=True, slots=True)
class Addition:
    """A sum of the output of a layer and another value of the same shape, such as a shortcut.

    Attributes:
        name: Name of the node that adds.
        other: Which of its two inputs the other value is.
    """

    name: str
    other: int


@dataclass(frozen=True, eq=False)
class LayerReference:
    """The outputs of one call of a layer, batch by batch.

    Attributes:
        addition: The sum to which the output is a term, and to nothing else; None if there is none.
        positions: The positions that were taken, one tensor per batch, each of shape (positions,).
        outputs: The outputs there, each of shape (positions, out).
        others: What was added to the outputs there, in the same shapes; empty without an addition.
    """

    addition: Addition | None
    positions: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    others: list[Tensor] = field(default_factory=list)


@torch.no_grad()
def record_references(
    traced: TracedNetwork, data: CalibrationData, rows: int, seed: int = 0
) -> dict[str, LayerReference]:
    """Runs a network once, and keeps samples of what its linear layers and convolutions yield.

    Args:
        traced: The network.
        data: Its inputs.
        rows: Number of outputs that are kept of each layer: about that many, or all if there are fewer. Batches
            have shares in them by their sizes.
        seed: Of the positions, which are drawn for each batch and layer.

    Returns:
        The references by name of the node that calls the layer; of a layer that is called several times, the first.
    """
    graph, network = traced.graph, traced.network()
    units = {layer.units[0].call.name: layer.units[0] for layer in graph.layers if can_be_rows(layer.operator)}
    computed = _find_computed(graph)
    references = {name: LayerReference(_find_addition(graph, unit, computed)) for name, unit in units.items()}
    added = [(one.addition.name, one.addition.other, name) for name, one in references.items() if one.addition]
    generator = torch.Generator().manual_seed(seed)
    walk = Walk(graph.nodes, graph.outputs)
    for batch in data:

        def run(node: Node, inputs: Sequence[Any], batch: Tensor = batch) -> Any:
            value = network.run_node(node, inputs, len(batch), batch.device)
            if node.name in references:
                reference = references[node.name]
                count = -(-rows * len(batch) // len(data))
                reference.positions.append(draw_positions(node.operator, value, count, generator))
                reference.outputs.append(sample_outputs(node.operator, value, reference.positions[-1]))
            for name, other, term in added:
                if node.name == name:
                    operator, reference = units[term].call.operator, references[term]
                    reference.others.append(sample_outputs(operator, inputs[other], reference.positions[-1]))
            return value

        walk({graph.inputs[0][0]: batch}, run)
    return references


def _find_computed(graph: NetworkGraph) -> set[str]:
    """The values that are computed from inputs, and so have one entry for each of them; others are constants."""
    computed = {name for name, _ in graph.inputs}
    for node in graph.nodes:
        if computed.intersection(node.inputs):
            computed.add(node.name)
    return computed


def _find_addition(graph: NetworkGraph, unit: Unit, computed: set[str]) -> Addition | None:
    """The sum that alone reads a call and its normalisation, if both its terms are computed, and have one shape."""
    end = unit.accumulated.name
    readers = graph.readers[end]
    if len(readers) != 1 or not isinstance(readers[0].operator, Add) or end in graph.outputs:
        return None
    first, second = readers[0].inputs
    if first == second or not computed >= {first, second} or graph.shapes[first] != graph.shapes[second]:
        return None
    return Addition(readers[0].name, 1 if first == end else 0)
