"""Bias correction: the outputs of every layer have the means that they had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nas.compression.repair.batched_walk import run_batches
from nas.compression.repair.repair import Repair, count_uses, find_shift
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.reduced_network import name_sum
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.network_graph import Node
from search_spaces.operators.weighted import Convolution


@dataclass(frozen=True)
class BiasCorrection(Repair):
    """Moves the mean error of each channel into its bias (Nagel et al., ICCV 2019, section 4.2; with data, appendix D).

    Where a batch norm follows, its mean takes the error. Layers are corrected one after the other, so each sees what
    the corrected ones before it yield. A tensor that several nodes use is left alone, and so are layers with a low-rank
    correction, whose fit has put the mean right.
    """

    @torch.no_grad()
    def repair(self, network: GraphNetwork, subject: CompressionSubject) -> None:
        """Shifts biases and means of norms."""
        batches, uses = [*subject.need_data()], count_uses(network.graph)
        known = {node.name for node in network.graph.nodes}
        units = {layer.units[0].call.name: layer.units[0] for layer in subject.traced.graph.layers}
        shifts = {name: find_shift(unit) for name, unit in units.items() if name_sum(name) not in known}
        found = {name: shift for name, shift in shifts.items() if shift is not None and uses[shift[0]] == 1}
        expected: dict[str, Tensor] = {}
        original = subject.traced.network()

        def record(node: Node, inputs: Sequence[Sequence[Any]]) -> None:
            if node.name in found:
                expected[node.name] = _mean(original, node, inputs[0])

        def correct(node: Node, inputs: Sequence[Sequence[Any]]) -> None:
            if node.name in found:
                name, sign = found[node.name]
                network.tensor(name).add_(expected[node.name] - _mean(network, node, inputs[0]), alpha=sign)

        for walked, visit in ((original, record), (network, correct)):
            run_batches(walked, batches, visit, lambda name, values: None)  # noqa: ARG005


def _mean(network: GraphNetwork, node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """The mean output of each channel of a layer over all batches, shape (out,)."""
    sums, count = [], 0
    for batch in inputs:
        output = network.run_node(node, [batch], len(batch), batch.device)
        if isinstance(node.operator, Convolution):
            output = output.movedim(-len(node.operator.kernel) - 1, -1)
        rows = output.reshape(-1, output.shape[-1])
        sums.append(rows.double().sum(0))
        count += len(rows)
    return (torch.stack(sums).sum(0) / count).float()
