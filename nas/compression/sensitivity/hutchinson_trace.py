"""Damage by the average curvature of each layer, from traces of the Hessian of the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas.compression.sensitivity.loss_hessian import LossHessian, Part
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.sensitivity.trace_damage import compute_trace_damage, split_by_layer
from nas.compression.sensitivity.trace_estimate import TraceEstimate, estimate_traces
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class HutchinsonTrace(SensitivityMetric):
    """The damage of HAWQ-V2 (Dong et al., NeurIPS 2020): trace / size * squared error, halved.

    The loss is that of the task, or by the network's own predictions where there are no labels. One backward pass
    through the graph of the gradients serves the weights of all layers and the activations that they round. What
    layers do together averages out, but adds to the variance; `gauss_newton_trace` has neither, takes less time, and
    means the same where layers are joined by piecewise linear functions.

    Attributes:
        most_probes: The most probes that are drawn.
        tolerance: Probes are drawn until the standard error of each trace is at most this share of it.
        seed: Draws the probes.
    """

    most_probes: int = 64
    tolerance: float = 0.1
    seed: int = 0

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the policies of each layer, each of shape (policies,)."""
        hessian = LossHessian(subject)
        traces = split_by_layer(self.estimate(hessian).means, hessian.network)
        return compute_trace_damage(subject, hessian.network, traces)

    def estimate(self, hessian: LossHessian) -> TraceEstimate:
        """The traces: layer by layer that of the weight and those of its sites, these of the loss of a sample.

        Args:
            hessian: The Hessian of the mean loss.
        """
        generator = torch.Generator().manual_seed(self.seed)

        def probe(numbers: range) -> FloatArray:
            weights: list[dict[Part, Tensor]] = [{} for _ in numbers]
            sums = None
            for batch in hessian.batches():
                found = []
                for known in weights:
                    vectors = _draw(batch.shapes, known, generator)
                    product = batch.multiply(vectors, vectors.keys())
                    found.append([float((product[part] * vector).double().sum()) for part, vector in vectors.items()])
                sums = np.array(found) if sums is None else sums + np.array(found)
            assert sums is not None
            return sums

        return estimate_traces(probe, self.most_probes, self.tolerance)


def _draw(
    shapes: Mapping[Part, torch.Size], known: dict[Part, Tensor], generator: torch.Generator
) -> dict[Part, Tensor]:
    """Signs for each part: those of weights are `known` after the first batch, those of values are drawn anew."""
    vectors = {}
    for part, shape in shapes.items():
        if part not in known:
            signs = torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
            vectors[part] = signs
            if part[1] == 0:
                known[part] = signs
        else:
            vectors[part] = known[part]
    return vectors
