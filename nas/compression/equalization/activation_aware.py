"""Activation-aware scaling of weights: channels with large activations are rounded in finer steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nas.compression.equalization.equalization import Equalization
from nas.compression.equalization.scale_link import ScaleLink, find_links
from nas.compression.repair.batched_walk import run_batches
from nas.compression.repair.layer_rows import draw_positions, sample_inputs, to_rows
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.elastic.quantizers import WeightQuantizer
from search_spaces.elastic.weight_steps import Quantizer, to_output_first
from search_spaces.network_graph import Node

_EXPONENTS = torch.linspace(0, 1, 21)[:-1].tolist()  # the grid of the paper
_LEAST_SHARE = 1e-4  # of the largest mean activation: channels that are never active would have scale 0


@dataclass(frozen=True)
class ActivationAwareScaling(Equalization):
    """Scales channels by powers of their mean absolute activation (AWQ, Lin et al., MLSys 2024, section 3.2).

    For every place that can be rescaled, the exponent is that of 20 at which the layers that read have the least
    squared error of their outputs once their weights are rounded to nearest codes; at exponent 0 nothing is scaled.
    The clipping of weights that the paper adds is what the quantiser `mse` does.

    Attributes:
        bits: Bits of the weights with which the error is measured.
        rows: Number of outputs of each layer on which it is measured: about that many, or all if there are fewer.
        seed: Of the positions at which outputs are taken.

    Raises:
        ValueError: If the bits are not from 2 to 8, or there are no rows.
    """

    bits: int = 3
    rows: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        if self.bits not in range(2, 9) or not self.rows >= 1:
            raise ValueError(f"scales are chosen at 2 to 8 bits on one or more outputs, got {self}")

    @torch.no_grad()
    def equalize(self, subject: CompressionSubject) -> TracedNetwork:
        """The network with scaled channels; without places that can be rescaled, that of the subject.

        Raises:
            ValueError: If the subject has no data.
        """
        data, traced = subject.need_data(), subject.traced
        link_of = _link_readers(find_links(traced.graph))
        inputs_of: dict[str, _Inputs] = {}
        parameters: Mapping[str, Tensor] = traced.parameters
        generator = torch.Generator().manual_seed(self.seed)

        def see(node: Node, inputs: Sequence[Sequence[Any]]) -> None:
            nonlocal parameters
            if (link := link_of.get(node.name)) is None:
                return
            inputs_of[node.name] = _Inputs.observe(node, inputs[0], self.rows, generator)
            if all(reader.name in inputs_of for reader, _ in link.readers):
                seen = [inputs_of.pop(reader.name) for reader, _ in link.readers]
                scales = _choose_scales(link, seen, parameters, self.bits, subject.methods.quantizer)
                parameters = link.rescale(parameters, scales)

        run_batches(traced.network(), [*data], see, lambda name, values: None)  # noqa: ARG005
        return replace(traced, parameters=parameters) if link_of else traced


def _link_readers(links: Sequence[ScaleLink]) -> dict[str, ScaleLink]:
    """The link of each layer that reads one, by name of the call; of several of a layer, as of a gate, the first."""
    found: dict[str, ScaleLink] = {}
    for link in links:
        names = [node.name for node, _ in link.readers]
        if found.keys().isdisjoint(names):
            found.update(dict.fromkeys(names, link))
    return found


@dataclass(frozen=True, eq=False)
class _Inputs:
    """What a layer reads: the mean absolute value of each input, shape (inputs,), and the mean of x xᵀ by group."""

    mean_abs: Tensor
    gram: Tensor

    @classmethod
    def observe(cls, node: Node, batches: Sequence[Tensor], rows: int, generator: torch.Generator) -> _Inputs:
        total, mean_abs, count = torch.zeros(()), torch.zeros(()), 0
        inputs = sum(map(len, batches))
        for batch in batches:
            output = torch.empty(len(batch), *node.operator.output_shape(tuple(batch.shape[1:])), device="meta")
            positions = draw_positions(node.operator, output, -(-rows * len(batch) // inputs), generator)
            taken = sample_inputs(node.operator, batch, positions).double()
            total = total + taken.transpose(1, 2) @ taken
            mean_abs = mean_abs + taken.abs().sum(1)
            count += taken.shape[1]
        per_input = node.operator.weight_shape or ()
        # a convolution reads each input at all places of its kernel
        return cls((mean_abs / count).view(len(taken), per_input[1], -1).mean(2).flatten(), total / count)


def _choose_scales(
    link: ScaleLink, seen: Sequence[_Inputs], parameters: Mapping[str, Tensor], bits: int, quantizer: Quantizer
) -> Tensor:
    """The scales of least error, shape (channels,); those of the least exponent among equally good ones."""
    activity = torch.zeros(())
    for (_, repeat), inputs in zip(link.readers, seen, strict=True):
        activity = activity + link.gather(inputs.mean_abs, repeat).mean(1)
    ones = torch.ones_like(activity)
    if not float(activity.max()) > 0:
        return ones
    best, least = ones, float("inf")
    rounding = WeightQuantizer(bits, quantizer)
    for exponent in _EXPONENTS:
        scales = activity.clamp_min(_LEAST_SHARE * float(activity.max())) ** exponent
        scales = scales / (scales.max() * scales.min()).sqrt()
        error = 0.0
        for (node, repeat), inputs in zip(link.readers, seen, strict=True):
            weight = to_output_first(parameters[node.parameters[0]].detach(), node.operator)
            factors = link.spread(scales, node, repeat).to(weight)
            codes, steps = rounding.codes(weight * factors)
            rounded = codes * steps.view(-1, *[1] * (weight.dim() - 1)) / factors
            off = to_rows(rounded - weight, node.operator).double()
            error += float(((off @ inputs.gram) * off).sum())
        if error < least:
            best, least = scales, error
    return best
