"""The contract of repairs of a compressed network, and how far it is from the original."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.sensitivity.policy_runs import join_outputs
from nas.compression.subject import CompressionSubject
from nas.tasks.divergence import compute_divergence
from nas.tasks.task import Task
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
    """The outputs of a network for all inputs, shape (n, ...); several are joined.

    Args:
        network: The network.
        data: Its inputs.
    """
    return torch.cat([join_outputs(network(batch)) for batch in data])


def output_distance(expected: Tensor, found: Tensor, task: Task | None) -> Tensor:
    """How far outputs are from expected ones, on average: a scalar, with gradients to both.

    Where outputs stand for probabilities it is the divergence of these, KL(expected, found), in nats; else the squared
    error. Without a task, outputs of two or more numbers are read as logits over their last axis.

    Args:
        expected: Outputs of the original, shape (n, ...).
        found: Outputs in the same shape.
        task: Says what outputs mean.
    """
    if task is None:
        logits = [outputs.flatten(0, -2) for outputs in (expected, found)] if expected.shape[-1] > 1 else None
    else:
        viewed = [task.view_as_logits(outputs) for outputs in (expected, found)]
        logits = [outputs for outputs in viewed if outputs is not None] or None
    if logits is None:
        return F.mse_loss(found, expected)
    target, ours = logits
    return compute_divergence(ours, target)


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
