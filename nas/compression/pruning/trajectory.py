"""Importance of channels by what happens in all layers behind them once they are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.compression.pruning.gated_network import GatedNetwork
from nas.compression.pruning.importance import Importance
from nas.compression.repair.repair import output_distance
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import CoupledChannels


@dataclass(frozen=True)
class Trajectory(Importance):
    """The change of the features of all later layers, and of the outputs, without a channel (OPTIN).

    The features of a layer are compared by the similarities of samples: the squared difference of the Gram matrices of
    features of length 1. What the outputs lose is their divergence (`repair.output_distance`). The features count
    `features_share` times as much as the outputs in the mean of all channels. Source: Khaki and Plataniotis, "The need
    for speed", ICLR 2024, section 3. Two things of the authors' code are left out: factors that fall with the index of
    a channel, and other samples for each channel. Scores of all groups can be compared.

    Attributes:
        samples: Number of inputs that are run once for each channel.
        features_share: The weight of features.

    Raises:
        ValueError: If there are fewer than two samples, or the weight is negative or not finite.
    """

    samples: int = 32
    features_share: float = 10.0

    def __post_init__(self) -> None:
        if not (self.samples >= 2 and 0 <= self.features_share < float("inf")):
            raise ValueError(
                f"features are compared over two or more samples, with a weight of 0 or more; got {self.samples} "
                f"samples and {self.features_share}"
            )

    @torch.no_grad()
    def score(self, subject: CompressionSubject, channels: CoupledChannels) -> FloatArray:
        """The weighted changes, shape (channels,)."""
        inputs = subject.need_data().inputs[: self.samples]
        network = GatedNetwork(subject.traced, channels)
        whole, outputs = _trace_features(network, inputs, torch.ones(1, channels.count))
        changes, losses = np.zeros(channels.count), np.zeros(channels.count)
        for channel in range(channels.count):
            gates = torch.ones(1, channels.count)
            gates[:, channel] = 0
            features, found = _trace_features(network, inputs, gates)
            changes[channel] = sum(float((features[name] - gram).square().sum()) for name, gram in whole.items())
            losses[channel] = max(float(output_distance(outputs, found, subject.task)), 0.0)
        total = changes.mean()
        return losses + (self.features_share * losses.mean() / total * changes if total > 0 else 0.0)


def _trace_features(network: GatedNetwork, inputs: Tensor, gates: Tensor) -> tuple[Mapping[str, Tensor], Tensor]:
    """The similarities of samples in what each layer writes, shape (samples, samples), and the outputs."""
    grams: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        rows = F.normalize(value.flatten(1), dim=1)
        grams[name] = rows @ rows.T

    outputs = network.forward(inputs, gates, keep)
    return grams, outputs
