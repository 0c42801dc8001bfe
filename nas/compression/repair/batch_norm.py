"""Batch norm re-estimation: statistics are those of the compressed network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nas.compression.repair.batched_walk import run_batches
from nas.compression.repair.repair import Repair
from nas.compression.subject import CompressionSubject
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.network_graph import Node
from search_spaces.operators.pointwise import BatchNorm


@dataclass(frozen=True)
class BatchNormReestimation(Repair):
    """Sets means and variances of batch norms to those of the data (Hubara et al., ICML 2021, section 3.4).

    One pass does it: each norm sees what the norms before it yield with their new statistics. Whether it helps depends
    on the network and on the bits: errors of single channels are put right, but the statistics of few images take the
    place of those of the whole training.
    """

    @torch.no_grad()
    def repair(self, network: GraphNetwork, subject: CompressionSubject) -> None:
        """Replaces the statistics of all batch norms; a network without any stays as it is."""

        def estimate(node: Node, inputs: Sequence[Sequence[Any]]) -> None:
            if not isinstance(node.operator, BatchNorm):
                return
            others = [0, *range(2, inputs[0][0].dim())]  # all axes but that of the channels
            count = sum(batch.numel() // batch.shape[1] for batch in inputs[0])
            total = sum((batch.double().sum(others) for batch in inputs[0]), start=torch.zeros(()))
            mean = total / count
            shape = (-1, *[1] * (inputs[0][0].dim() - 2))
            deviations = (batch.double() - mean.view(shape) for batch in inputs[0])
            variance = sum((one.square().sum(others) for one in deviations), start=torch.zeros(())) / count
            network.tensor(node.parameters[-2]).copy_(mean)
            network.tensor(node.parameters[-1]).copy_(variance)

        run_batches(network, [*subject.need_data()], estimate, lambda name, values: None)  # noqa: ARG005
