"""Importance of channels by the gradients of their gates: one backward pass for all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas.compression.pruning.gated_network import GatedNetwork
from nas.compression.pruning.importance import Importance
from nas.compression.sensitivity.output_curvature import OutputCurvature
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.channels.coupled_channels import CoupledChannels


@dataclass(frozen=True)
class Taylor(Importance):
    """Half of the mean over samples of the squared gradient by the gate of a channel.

    With labels and a task it is the gradient of the loss (Molchanov et al., CVPR 2019, equation 8, by gates). Without,
    it is that of labels which the network itself would draw: then the score estimates the divergence of the outputs
    without the channel to second order (Theis et al., 2018, equation 6). Scores of all groups can be compared.

    Attributes:
        own_predictions: Whether labels are not used even where there are some.
        probes: Number of draws for each sample, where labels are not used.
        seed: Draws what stands for labels.

    Raises:
        ValueError: If there are no probes.
    """

    own_predictions: bool = False
    probes: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.probes >= 1:
            raise ValueError(f"gradients need one or more probes, got {self.probes}")

    def score(self, subject: CompressionSubject, channels: CoupledChannels) -> FloatArray:
        """The squared gradients, shape (channels,)."""
        data, network = subject.need_data(), GatedNetwork(subject.traced, channels)
        curvature, generator = OutputCurvature(subject.task), torch.Generator().manual_seed(self.seed)
        found = np.zeros(channels.count)
        for inputs, labels in data.with_labels():
            gates = torch.ones(len(inputs), channels.count, requires_grad=True)
            with torch.enable_grad():
                outputs = network.forward(inputs, gates)
            if labels is None or subject.task is None or self.own_predictions:
                for _ in range(self.probes):
                    weights = _draw(curvature, outputs.detach(), generator)
                    found += _sum_squares(outputs, gates, weights) / self.probes
            else:
                loss = subject.task.compute_loss(outputs, labels)
                (weights,) = torch.autograd.grad(loss, outputs, retain_graph=True)
                found += _sum_squares(outputs, gates, weights * len(inputs))
        return found / (2 * len(data))


def _draw(curvature: OutputCurvature, outputs: Tensor, generator: torch.Generator) -> Tensor:
    signs = torch.randint(0, 2, curvature.probe_shape(outputs), generator=generator).to(outputs) * 2 - 1
    return curvature.spread(outputs, signs)


def _sum_squares(outputs: Tensor, gates: Tensor, weights: Tensor) -> FloatArray:
    """The squared gradients of a weighted sum of outputs by the gates, summed over samples, shape (channels,)."""
    (gradients,) = torch.autograd.grad(outputs, gates, weights, retain_graph=True)
    return np.asarray(gradients.double().square().sum(0).cpu().numpy())
