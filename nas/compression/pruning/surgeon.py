"""Importance of channels by what layers that read them cannot make up for, once others are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.compression.pruning.gated_network import find_summed_axis
from nas.compression.pruning.importance import Importance
from nas.compression.repair.batched_walk import run_batches
from nas.compression.repair.layer_rows import draw_positions, sample_inputs, to_rows
from nas.compression.repair.layer_statistics import StatisticsSum
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import FIXED, ChannelGroup, CoupledChannels
from search_spaces.channels.labels import Labels
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.network_graph import Node
from search_spaces.operators.weighted import Convolution


@dataclass(frozen=True)
class Surgeon(Importance):
    """The error that a channel leaves in the layers that read it, all of them fitted anew, in the order of removal.

    From each group the channel is removed whose loss the remaining ones make up for best, then the next, until none is
    left. The error is that of least squares: the weights of all other channels change with it (optimal brain surgeon,
    by channels: Hassibi and Stork, NIPS 1992; Kurtic et al., "ZipLM", NeurIPS 2023, section 3). It is summed over
    layers, in each as a share of what the layer yields. A channel scores no less than those that went before it. What
    a group is worth to the outputs is not in the score; damages of widths tell that.

    Attributes:
        rows: Number of inputs of each layer that are looked at: about that many, or all if there are fewer.
        damping: Share of the mean power of the inputs of a layer that is added to the power of each.
        seed: Of the positions at which inputs are taken.

    Raises:
        ValueError: If there are no rows, or the damping is not above 0.
    """

    rows: int = 16_384
    damping: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.rows >= 1:
            raise ValueError(f"layers are fitted to one or more inputs, got {self.rows}")
        if not 0 < self.damping < float("inf"):
            raise ValueError(f"the damping must be a number above 0, got {self.damping}")

    @torch.no_grad()
    def score(self, subject: CompressionSubject, channels: CoupledChannels) -> FloatArray:
        """The shares, shape (channels,)."""
        readers = self._find_readers(subject, channels)
        found = np.zeros(channels.count)
        for group in channels.groups:
            operated = [
                _OperatedLayer(weight, gram, _find_columns(weight, numbers, group))
                for weight, gram, numbers in readers
                if bool(((numbers >= group.first) & (numbers < group.first + group.size)).any())
            ]
            found[group.channels] = _remove_all(operated, group.size)
        return found

    def _find_readers(
        self, subject: CompressionSubject, channels: CoupledChannels
    ) -> list[tuple[Tensor, Tensor, Labels]]:
        """Of each call that sums over channels: weight and damped Gram matrix of its groups, numbers of its columns."""
        data, network = subject.need_data(), subject.traced.network()
        generator = torch.Generator().manual_seed(self.seed)
        readers = []

        def gather(node: Node, inputs: Sequence[Sequence[Any]]) -> None:
            numbers = None if find_summed_axis(node) is None else channels.tensors[node.parameters[0]]
            operator = node.operator
            if numbers is None:
                return
            transposed = isinstance(operator, Convolution) and operator.transposed
            read = numbers[0] if transposed else numbers[1]
            if (read == FIXED).all() or (transposed and operator.groups > 1):  # type: ignore[attr-defined]
                return
            total = StatisticsSum()
            for batch in inputs[0]:
                output = network.run_node(node, [batch], len(batch), batch.device)
                positions = draw_positions(operator, output, -(-self.rows * len(batch) // len(data)), generator)
                rows = sample_inputs(operator, batch, positions)
                total.add(rows, rows.new_zeros(rows.shape[1], len(rows)))
            weight = to_rows(to_output_first(network.tensor(node.parameters[0]).detach(), operator), operator)
            gram = total.mean(centred=True).gram.double()
            power = (gram.diagonal(dim1=1, dim2=2).mean(1) * self.damping).clamp_min(1e-8)
            readers.append((weight.double(), gram + power[:, None, None] * torch.eye(gram.shape[1]), read))

        run_batches(network, [*data], gather, lambda name, values: None)  # noqa: ARG005
        return readers


class _OperatedLayer:
    """A layer that is fitted anew after each channel that it loses.

    Args:
        weight: Its weight, shape (groups, out, in).
        gram: Mean of x xᵀ over its inputs x, positive definite, shape (groups, in, in).
        columns: The elements of x that each channel has, shape (channels, elements).
    """

    def __init__(self, weight: Tensor, gram: Tensor, columns: Tensor) -> None:
        self._weight, self._inverse, self._columns = weight.clone(), torch.linalg.inv(gram), columns
        self._whole = float(((weight @ gram) * weight).sum().clamp_min(1e-30))

    def errors(self) -> Tensor:
        """The error without each channel as a share of the output, shape (channels,)."""
        blocks = self._inverse[:, self._columns[:, :, None], self._columns[:, None, :]]
        parts = self._weight[:, :, self._columns].permute(0, 2, 3, 1)  # (groups, channels, elements, out)
        blocks = blocks + 1e-12 * torch.eye(blocks.shape[-1])  # of channels that are gone all is 0
        return (parts * torch.linalg.solve(blocks, parts)).sum((0, 2, 3)) / self._whole

    def remove(self, channel: int) -> None:
        """Fits the layer without a channel."""
        columns = self._columns[channel]
        rows = self._inverse[:, columns]  # (groups, elements, in)
        solved = torch.linalg.solve(rows[:, :, columns], rows)
        self._weight -= self._weight[:, :, columns] @ solved
        self._inverse -= rows.transpose(1, 2) @ solved
        self._weight[:, :, columns] = 0
        self._inverse[:, columns], self._inverse[:, :, columns] = 0, 0


def _find_columns(weight: Tensor, numbers: Labels, group: ChannelGroup) -> Tensor:
    """The columns of a weight, shape (groups, out, in), of each channel of a group, shape (channels, elements)."""
    taps = weight.shape[2] // len(numbers)
    places = [np.flatnonzero(numbers == group.first + channel) for channel in range(group.size)]
    return torch.tensor(np.stack([(one[:, None] * taps + np.arange(taps)).ravel() for one in places]))


def _remove_all(layers: Sequence[_OperatedLayer], count: int) -> FloatArray:
    """The errors at which channels go, one after the other, shape (channels,)."""
    found, left, least = np.zeros(count), np.ones(count, bool), 0.0
    while left.any() and layers:
        errors = np.where(left, sum(layer.errors().cpu().numpy() for layer in layers), np.inf)
        channel = int(errors.argmin())
        least = max(least, float(errors[channel]))
        found[channel], left[channel] = least, False
        for layer in layers:
            layer.remove(channel)
    return found
