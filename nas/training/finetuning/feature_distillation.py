"""Feature distillation: a network without some of its blocks learns from the values at which blocks begin and end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nas.compression.sensitivity.policy_runs import walk_values
from nas.compression.tracing.reduced_network import name_sum
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.network_graph import NetworkGraph
from search_spaces.removable_blocks import RemovableBlocks


def pair_features(student: NetworkGraph, teacher: NetworkGraph) -> Mapping[str, str]:
    """The values of a compressed network that learn from values of the network that it was made of.

    The teacher's are those at which the blocks that can be left out begin and end. The student's are what is read in
    their place: the values of the same names or, where a block was left out, that at which it begins. One that takes
    the place of several learns from the last of them, which is what its readers read in the teacher. Values of another
    shape, such as those with fewer channels, learn nothing.

    Args:
        student: The graph of the compressed network.
        teacher: The graph of the network that it was made of.

    Returns:
        Names of values of the teacher by names of values of the student; one or more.

    Raises:
        ValueError: If there are none.
    """
    there = {node.name for node in student.nodes}

    def locate(name: str) -> str:
        """The name of a value that is there; readers of a corrected layer read a sum."""
        return name_sum(name) if name_sum(name) in there else name

    read: dict[str, str] = {}
    for block in RemovableBlocks.from_graph(teacher).blocks:
        entry = read.setdefault(block.entry, locate(block.entry))
        read[block.exit] = locate(block.exit) if block.exit in there else entry
    pairs = {ours: theirs for theirs, ours in read.items()}
    found = {ours: theirs for ours, theirs in pairs.items() if student.shapes[ours] == teacher.shapes[theirs]}
    if not found:
        raise ValueError(
            "feature distillation needs ends of blocks that can be left out, of the same shape in the compressed and "
            f"the given network; got {len(pairs)} ends, none of the same shape; fine-tune without it"
        )
    return found


def run_with_features(network: GraphNetwork, names: Sequence[str], inputs: Tensor) -> tuple[Any, list[Tensor]]:
    """Runs a network as a call does, and keeps some of its values.

    Args:
        network: The network.
        names: Names of values of its graph.
        inputs: Its input, shape (batch, ...).

    Returns:
        What a call returns, and the values, each of shape (batch, ...).
    """
    outputs = network.graph.outputs
    values = dict(walk_values(network, {*names, *outputs}, inputs))
    returned = tuple(values[name] for name in outputs)
    return returned[0] if len(returned) == 1 else returned, [values[name] for name in names]


def compare_features(student: Iterable[Tensor], teacher: Iterable[Tensor]) -> Tensor:
    """The squared distance of each feature from the teacher's, as a share of the squared norm of that; their mean.

    So no feature counts for more than others because its numbers are larger (LAPTOP-Diff, Zhang et al., 2024). One that
    is 0 everywhere in the teacher has no norm to divide by, and counts by its squared distance.

    Args:
        student: Features of the student, each of shape (batch, ...).
        teacher: Those of the teacher, in the same order and shapes; detached.

    Returns:
        A scalar.
    """
    shares = []
    for ours, theirs in zip(student, teacher, strict=True):
        power = theirs.detach().square().sum()
        shares.append((ours - theirs.detach()).square().sum() / torch.where(power > 0, power, torch.ones_like(power)))
    return torch.stack(shares).mean()
