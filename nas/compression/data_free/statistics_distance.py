"""How far the activations of some inputs are from the statistics that the batch normalisations of a network keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from nas.compression.tracing.trace import TracedNetwork
from search_spaces.elastic.graph_network import GraphNetwork
from search_spaces.network_graph import NetworkGraph
from search_spaces.operators.pointwise import BatchNorm
from search_spaces.operators.weighted import Embedding

_INPUT_EPS = 1e-5  # added to the variance of inputs, as normalisations do: the root of 0 has no finite gradient


@dataclass(frozen=True)
class InputStatistics:
    """Mean and standard deviation of what a network reads; by default those of inputs that were normalised.

    Attributes:
        mean: One entry, or one per channel.
        std: One entry, or one per channel.

    Raises:
        ValueError: If a mean is not finite, or a standard deviation is not finite and positive.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not all(abs(mean) < float("inf") for mean in self.mean):
            raise ValueError(f"the means of inputs must be finite, got {self.mean}")
        if not all(0 < std < float("inf") for std in self.std):
            raise ValueError(f"the standard deviations of inputs must be finite and positive, got {self.std}")


@dataclass(frozen=True, eq=False)
class _Target:
    """The statistics that one value of the network should have: shape (channels,), or (1,) for equal channels."""

    mean: Tensor
    std: Tensor
    eps: float


class StatisticsDistance:
    """Squared distance of means and standard deviations from those of the input and of every batch normalisation.

    Cai et al., "ZeroQ: A Novel Zero Shot Quantization Framework", CVPR 2020, section 3.1, equation 1: summed over
    channels and normalisations. Statistics that are kept describe batches, but may be read in two ways. Of each
    `image`: its own mean and deviation over positions are compared, and the distance is the mean over images; so the
    authors' code does. Of the `batch`: those over images and positions are compared. A value with one position has no
    statistics of an image, so those of the batch are compared there.

    Args:
        traced: A network of one input, with batch normalisations.
        reading: Whose statistics are compared.
        inputs: The statistics of what the network reads.

    Raises:
        ValueError: If the network has several inputs, an input of tokens, no batch normalisation, or tensors that are
            not finite; or there are more or fewer statistics than channels of the input.
    """

    def __init__(
        self, traced: TracedNetwork, reading: Literal["image", "batch"] = "image", inputs: InputStatistics | None = None
    ) -> None:
        _check(traced)
        self._per_image = reading == "image"
        norms = [(node, node.operator) for node in traced.graph.nodes if isinstance(node.operator, BatchNorm)]
        self._targets = [_input_target(traced, inputs or InputStatistics())]
        for node, norm in norms:
            mean, variance = (traced.parameters[name].detach() for name in node.parameters[-2:])
            self._targets.append(_Target(mean, (variance + norm.eps).sqrt(), norm.eps))
        read = [traced.graph.inputs[0][0], *(node.inputs[0] for node, _ in norms)]
        constants = {name: tensor.detach() for name, tensor in traced.parameters.items()}
        self._network = GraphNetwork(_cut(traced.graph, read), constants).eval()

    def __call__(self, inputs: Tensor) -> Tensor:
        """The distance, a scalar with a gradient for the inputs.

        Args:
            inputs: Inputs of the network, shape (batch, ...).
        """
        values = self._network(inputs)
        return torch.stack([self._distance(*pair) for pair in zip(values, self._targets, strict=True)]).sum()

    def _distance(self, value: Tensor, target: _Target) -> Tensor:
        axes = tuple(range(2, value.dim()))
        if not self._per_image or value[0, 0].numel() == 1:
            axes = (0, *axes)
        mean = value.mean(axes, keepdim=True)
        norm = torch.linalg.vector_norm(value - mean, dim=axes)  # `var_mean` takes several times as long
        variance = norm.square() * (norm.numel() / value.numel())
        squares = (mean.view_as(norm) - target.mean).square() + ((variance + target.eps).sqrt() - target.std).square()
        return squares.sum(-1).mean()


def _check(traced: TracedNetwork) -> None:
    """Raises ValueError unless inputs can be found by the normalisations of a network."""
    graph = traced.graph
    if len(graph.inputs) != 1:
        raise ValueError(f"images are distilled for networks of one input, got one of {len(graph.inputs)}")
    name, shape = graph.inputs[0]
    if any(isinstance(node.operator, Embedding) for node in graph.nodes if name in node.inputs) or not shape:
        raise ValueError("images are distilled for networks that read numbers with channels, got one that reads tokens")
    if not any(isinstance(node.operator, BatchNorm) for node in graph.nodes):
        raise ValueError(
            "images are distilled from the statistics of batch normalisations, and this network has none; give "
            "calibration data, of which a few dozen inputs without labels do"
        )
    if unsound := traced.list_unsound_tensors():
        raise ValueError(f"the tensors of a network must be finite to be described by them, got NaN in {unsound[0]!r}")


def _input_target(traced: TracedNetwork, inputs: InputStatistics) -> _Target:
    channels = traced.graph.inputs[0][1][0]
    for given in (inputs.mean, inputs.std):
        if len(given) not in (1, channels):
            raise ValueError(
                f"statistics of the input need one entry or one for each of {channels} channels, got {given}"
            )
    mean, std = (torch.tensor(given).expand(channels) for given in (inputs.mean, inputs.std))
    return _Target(mean, std, _INPUT_EPS)


def _cut(graph: NetworkGraph, outputs: Sequence[str]) -> NetworkGraph:
    """The part of a graph that yields some values."""
    read, nodes = set(outputs), []
    for node in reversed(graph.nodes):
        if node.name in read:
            nodes.append(node)
            read.update(node.inputs)
    return replace(graph, nodes=tuple(reversed(nodes)), outputs=tuple(outputs))
