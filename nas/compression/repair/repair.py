"""The contract of repairs of a compressed network, and how far it is from the original."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.subject import CompressionSubject
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.network_graph import NetworkGraph, Unit
from search_spaces.operators.pointwise import BatchNorm
from search_spaces.operators.weighted import Convolution, Linear


class Repair(ABC):
    """Brings a compressed network closer to the original, by what is not rounded.

    The contract, which tests check for all registered repairs: Weights, steps and codes stay as they are, so the size
    of the network does. The original network is not changed. The result is the same each time. A network that does not
    round is left, within rounding errors, as it is, if its statistics are those of the data. Repairs are frozen
    dataclasses.
    """

    @abstractmethod
    def repair(self, network: GraphNetwork, subject: CompressionSubject) -> None:
        """Repairs a network in place.

        Args:
            network: A calibrated network that `subject.traced` was compressed to.
            subject: The original, with inputs.

        Raises:
            ValueError: If the subject has no data.
        """


@torch.no_grad()
def outputs_on(network: GraphNetwork, data: CalibrationData) -> Tensor:
    """The outputs of a network for all inputs, shape (n, ...).

    Args:
        network: A network of one output.
        data: Its inputs.
    """
    return torch.cat([network(batch) for batch in data])


def divergence(expected: Tensor, found: Tensor) -> Tensor:
    """Mean divergence of logits from expected ones over their last axis, in nats, a scalar.

    Args:
        expected: Logits of the original, shape (n, ..., classes).
        found: Logits in the same shape.
    """
    target = expected.log_softmax(-1).flatten(0, -2)
    return F.kl_div(found.log_softmax(-1).flatten(0, -2), target, reduction="batchmean", log_target=True)


def count_uses(graph: NetworkGraph) -> Counter[str]:
    """How many nodes use each stored tensor."""
    return Counter(name for node in graph.nodes for name in node.parameters)


def find_shift(unit: Unit) -> tuple[str, int] | None:
    """The tensor that shifts the output of a call, and the sign with which it does; None if there is none.

    It is the mean of the batch normalisation that follows, else the bias.

    Args:
        unit: A call, with its normalisation.
    """
    operator = unit.call.operator
    if unit.norm is not None:
        assert isinstance(unit.norm.operator, BatchNorm)
        return unit.norm.parameters[-2], -1
    if isinstance(operator, Convolution | Linear) and operator.bias:
        return unit.call.parameters[1], 1
    return None
