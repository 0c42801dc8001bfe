"""Bias tuning: biases are trained so that the outputs are those of the original."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.repair.repair import Repair, output_distance, outputs_on
from nas.compression.sensitivity.policy_runs import join_outputs
from nas.compression.subject import CompressionSubject
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.network_graph import NetworkGraph
from search_spaces.operators.pointwise import BatchNorm
from search_spaces.operators.weighted import Convolution, Linear


@dataclass(frozen=True)
class BiasTuning(Repair):
    """Trains biases and shifts of batch norms on the distance from the original's outputs (Hubara et al., ICML 2021).

    The distance is `repair.output_distance`. After each epoch it is measured on all inputs; the biases of the least are
    kept, those at the beginning if no epoch improves on them. No labels are used.

    Attributes:
        epochs: Number of passes over the data.
        learning_rate: Of Adam, falling to 0 in equal parts.
        seed: Of the order of the inputs.

    Raises:
        ValueError: If there are no epochs.
    """

    epochs: int = 4
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.epochs >= 1:
            raise ValueError(f"tuning needs one or more epochs, got {self.epochs}")

    def repair(self, network: GraphNetwork, subject: CompressionSubject) -> None:
        """Trains the biases; the network is left with gradients where it had them."""
        data, flags = subject.need_data(), [(tensor, tensor.requires_grad) for tensor in network.parameters()]
        expected, task = outputs_on(subject.traced.network(), data), subject.task
        biases = [network.tensor(name) for name in _find_biases(network.graph)]
        generator = torch.Generator().manual_seed(self.seed)
        for tensor, _ in flags:
            tensor.requires_grad_(False)
        for bias in biases:
            bias.requires_grad_(True)
        try:
            best, least = _copy(biases), float(output_distance(expected, outputs_on(network, data), task))
            adam = torch.optim.Adam(biases, self.learning_rate) if biases else None
            for epoch in range(self.epochs if adam is not None else 0):
                assert adam is not None
                for part in torch.randperm(len(data), generator=generator).split(data.batch):
                    if subject.traced.graph.batch not in (None, len(part)):
                        continue
                    adam.zero_grad()
                    output_distance(expected[part], join_outputs(network(data.inputs[part])), task).backward()
                    adam.step()
                adam.param_groups[0]["lr"] = self.learning_rate * (1 - (epoch + 1) / self.epochs)
                found = float(output_distance(expected, outputs_on(network, data), task))
                if found < least:
                    best, least = _copy(biases), found
            with torch.no_grad():
                for bias, value in zip(biases, best, strict=True):
                    bias.copy_(value)
        finally:
            for bias in biases:
                bias.requires_grad_(False)
                bias.grad = None
            for tensor, flag in flags:
                tensor.requires_grad_(flag)


def _find_biases(graph: NetworkGraph) -> list[str]:
    """The tensors that are added to channels: biases of layers and shifts of affine batch norms."""
    names = [
        node.parameters[1]
        for node in graph.nodes
        if (isinstance(node.operator, Convolution | Linear) and node.operator.bias)
        or (isinstance(node.operator, BatchNorm) and node.operator.affine)
    ]
    return list(dict.fromkeys(names))


def _copy(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]
