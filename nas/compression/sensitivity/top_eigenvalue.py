"""Damage by the largest curvature of each layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nas.compression.sensitivity.loss_hessian import LossHessian
from nas.compression.sensitivity.rounding_errors import compute_weight_error
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class TopEigenvalue(SensitivityMetric):
    """HAWQ (Dong et al., ICCV 2019): the top eigenvalue of the Hessian of a layer, times the squared error, halved.

    It bounds what rounding the weights does to second order. Activations are not considered. The loss is that of the
    task, or by the network's own predictions where there are no labels.

    Attributes:
        most_steps: The most steps of power iteration for a layer; 100, as in the authors' library.
        tolerance: It stops once the eigenvalue changes by at most this share.
        seed: Draws where it starts.
    """

    most_steps: int = 100
    tolerance: float = 1e-3
    seed: int = 0

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the policies of each layer, each of shape (policies,).

        An eigenvalue counts by its magnitude: a strong curvature of either sign says that the layer matters.
        """
        found = []
        values = self.find_eigenvalues(LossHessian(subject))
        for layer, (value, known) in enumerate(zip(values, subject.choices, strict=True)):
            errors = [compute_weight_error(subject, layer, policy).double().square().sum() for policy in known]
            found.append(np.array([0.5 * abs(float(value)) * float(error) for error in errors]))
        return tuple(found)

    def find_eigenvalues(self, hessian: LossHessian) -> FloatArray:
        """The eigenvalue of the largest magnitude of each layer's own block, with its sign, shape (layers,).

        Args:
            hessian: The Hessian of the mean loss.
        """
        return np.array([self._iterate(hessian, layer) for layer in range(len(hessian.network.graph.layers))])

    def _iterate(self, hessian: LossHessian, layer: int) -> float:
        part, generator = (layer, 0), torch.Generator().manual_seed(self.seed)
        vector = torch.randn(hessian.network.weights[layer].shape, generator=generator)
        vector /= vector.norm()
        value = 0.0
        for _ in range(self.most_steps):
            product = hessian.multiply({part: vector}, [part])[part]
            last, value = value, float((product * vector).sum())
            norm = product.norm()
            if not norm > 0 or abs(value - last) <= self.tolerance * abs(value):
                break
            vector = product / norm
        return value
