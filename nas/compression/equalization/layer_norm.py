"""Re-parameterisation of layer normalisations: all channels of what they yield have the same range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nas.compression.equalization.equalization import Equalization
from nas.compression.equalization.scale_link import ScaleLink, find_links
from nas.compression.repair.batched_walk import run_batches
from nas.compression.repair.repair import count_uses
from nas.compression.subject import CompressionSubject
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.operators.pointwise import LayerNorm, RmsNorm
from search_spaces.operators.weighted import Linear

_LEAST_SHARE = 1e-3  # of the mean step: a channel that hardly varies would have scale 0


@dataclass(frozen=True)
class LayerNormReparameterization(Equalization):
    """Moves steps and zero points of channels into normalisation and next layer (RepQ-ViT, Li et al., ICCV 2023).

    Activations after a layer normalisation differ from channel to channel, and one step serves all of them. Each
    channel is scaled and shifted so that its range over the data becomes the same range of codes, so a step for the
    tensor rounds as a step for each channel would. Where no bias can take up the
    shift (RMS normalisation, a layer without bias or behind another operator), channels are scaled alone. The zero
    point is kept within the codes, as grids here contain 0. Post-softmax codes of the paper are no equalisation.

    Attributes:
        bits: Bits of the activations for which zero points are rounded.

    Raises:
        ValueError: If the bits are not from 2 to 8.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        if self.bits not in range(2, 9):
            raise ValueError(f"zero points are those of codes of 2 to 8 bits, got {self.bits}")

    @torch.no_grad()
    def equalize(self, subject: CompressionSubject) -> TracedNetwork:
        """The network with re-parameterised normalisations; without any that can be, that of the subject.

        Raises:
            ValueError: If the subject has no data.
        """
        data, traced = subject.need_data(), subject.traced
        links = [link for link in find_links(traced.graph) if isinstance(link.source.operator, LayerNorm | RmsNorm)]
        if not links:
            return traced
        ranges: dict[str, tuple[Tensor, Tensor]] = {}
        sources = {link.source.name for link in links}

        def see(name: str, batches: Sequence[Any]) -> None:
            if name in sources:
                rows = [batch.flatten(0, -2) for batch in batches]
                lows, highs = (torch.stack([one.amin(0) for one in rows]), torch.stack([one.amax(0) for one in rows]))
                ranges[name] = lows.amin(0), highs.amax(0)

        run_batches(traced.network(), [*data], lambda node, inputs: None, see)  # noqa: ARG005
        uses, parameters = count_uses(traced.graph), traced.parameters
        for link in links:
            low, high = ranges[link.source.name]
            scales, shifts = reparameterize(low, high, self.bits)
            if _takes_shifts(link, uses):
                parameters = _shift(link, shifts, parameters)
            parameters = link.rescale(parameters, scales)
        return replace(traced, parameters=parameters)


def reparameterize(low: Tensor, high: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """By what channels are divided after something was added to them, so that all have the codes of one grid.

    Args:
        low: The lowest value of each channel, shape (channels,).
        high: The highest value of each channel, shape (channels,).
        bits: Bits of the codes.

    Returns:
        Positive scales and the summands, each of shape (channels,). With the step s and zero point z of a channel, and
        those of the tensor, they are s / mean(s) and s (z - mean(z)).
    """
    steps = (high - low) / (2**bits - 1)
    steps = steps.clamp_min(_LEAST_SHARE * float(steps.mean())) if float(steps.mean()) > 0 else torch.ones_like(low)
    zeros = (-low / steps).round()
    zero = zeros.mean().round().clamp(0, 2**bits - 1)
    return steps / steps.mean(), steps * (zeros - zero)


def _takes_shifts(link: ScaleLink, uses: Mapping[str, int]) -> bool:
    """Whether biases that nothing else uses can take up what is added to the channels."""
    operator = link.source.operator
    return (
        isinstance(operator, LayerNorm)
        and operator.shift
        and all(
            isinstance(node.operator, Linear)
            and node.operator.bias
            and node.inputs == (link.source.name,)
            and uses[node.parameters[1]] == 1
            for node, _ in link.readers
        )
    )


def _shift(link: ScaleLink, shifts: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All tensors after summands went into the normalisation, and out of the biases of the layers that read it."""
    changed = {link.source.parameters[1]: parameters[link.source.parameters[1]].detach() + shifts}
    for node, _ in link.readers:
        weight, bias = (parameters[name].detach() for name in node.parameters)
        changed[node.parameters[1]] = bias - weight @ shifts
    kept = {name: tensor.requires_grad_(parameters[name].requires_grad) for name, tensor in changed.items()}
    return {**parameters, **kept}
