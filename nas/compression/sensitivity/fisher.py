"""Damage as gradient times error, squared: one backward pass for all layers and policies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas.compression.sensitivity.output_curvature import OutputCurvature
from nas.compression.sensitivity.rounding_errors import ActivationErrors, compute_weight_error
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.sensitivity.tapped_network import LayerGradients, TappedNetwork
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class Fisher(SensitivityMetric):
    """Half of the mean over samples of (g' d)^2: g the gradient of a sample, d the errors by rounding a layer.

    This is half of d' F d for the Fisher matrix F, of which the blocks of layers are taken whole and never stored.
    Weights and activations count together. Without labels, g is that of labels which the network itself would draw, so
    F is the Gauss-Newton matrix, and the damage estimates the divergence that `output_divergence` measures
    (`output_distortion` for tasks of numbers). With labels and a task F is the empirical one. Source: Theis et al.,
    "Faster gaze prediction with dense networks and Fisher pruning", 2018, section 2.1, equation 6, with errors in place
    of removed weights.

    Attributes:
        own_predictions: Whether labels are not used even where there are some.
        seed: Draws what stands for labels.
    """

    own_predictions: bool = False
    seed: int = 0

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the policies of each layer, each of shape (policies,)."""
        data, network = subject.need_data(), TappedNetwork(subject.traced)
        rounding = ActivationErrors(subject, network)
        generator = torch.Generator().manual_seed(self.seed)
        found = tuple(np.zeros(len(known)) for known in subject.choices)
        for inputs, labels in data.with_labels():
            outputs = network.forward(inputs)
            if labels is None or subject.task is None or self.own_predictions:
                weights = _draw(OutputCurvature(subject.task), outputs.detach(), generator)
            else:
                (weights,) = torch.autograd.grad(subject.task.compute_loss(outputs, labels), outputs, retain_graph=True)
                weights = weights * len(inputs)
            for layer, gradients in enumerate(network.gradients(outputs, weights)):
                found[layer][:] += _sum_squares(subject, layer, gradients, rounding) / (2 * len(data))
        return found


def _draw(curvature: OutputCurvature, outputs: Tensor, generator: torch.Generator) -> Tensor:
    signs = torch.randint(0, 2, curvature.probe_shape(outputs), generator=generator).to(outputs) * 2 - 1
    return curvature.spread(outputs, signs)


def _sum_squares(
    subject: CompressionSubject, layer: int, gradients: LayerGradients, rounding: ActivationErrors
) -> FloatArray:
    """The squares of the products for each policy of a layer, summed over the samples of a batch."""
    sums = []
    for policy in subject.choices[layer]:
        product = gradients.weight @ compute_weight_error(subject, layer, policy).flatten()
        errors = rounding.compute(layer, policy.activation_bits)
        for gradient, error in zip(gradients.sites, errors, strict=False):
            apart = len(product) if len(gradient) % len(product) == 0 else 1  # 1: constants have no axis of samples
            product = (product if apart > 1 else product.sum()) + (gradient * error).reshape(apart, -1).sum(1)
        sums.append(float(product.double().square().sum()))
    return np.array(sums)
