"""Damage by the average curvature of each layer, from traces of the Gauss-Newton matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas.compression.sensitivity.output_curvature import OutputCurvature
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.sensitivity.tapped_network import TappedNetwork
from nas.compression.sensitivity.trace_damage import compute_trace_damage, split_by_layer
from nas.compression.sensitivity.trace_estimate import TraceEstimate, draw_signs, estimate_traces
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class GaussNewtonTrace(SensitivityMetric):
    """HAWQ-V2's damage with traces of J' H J, J the Jacobian of the outputs and H the curvature of the loss by them.

    For layers that are joined by piecewise linear functions (ReLU, max pooling, batch norm in evaluation) the outputs
    are piecewise linear in each weight, so this is the trace of the Hessian of each layer itself. It needs no labels
    and is never negative.

    With H = L L' the trace is that of (J' L)' (J' L), too, whose probes are as long as the outputs of a sample: one
    backward pass without a graph of its own serves all layers and activations. Three things reduce the variance of
    Hutchinson's estimate by the weights: squares are taken sample by sample, so that samples do not disturb each other;
    nor do layers; and the probes of a sample are drawn from an orthogonal set, which makes the trace exact once all
    are drawn.

    Attributes:
        most_probes: The most probes that are drawn.
        tolerance: Probes are drawn until the standard error of each trace is at most this share of it.
        seed: Draws the probes.
    """

    most_probes: int = 64
    tolerance: float = 0.05
    seed: int = 0

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the policies of each layer, each of shape (policies,)."""
        network = TappedNetwork(subject.traced)
        traces = split_by_layer(self.estimate(subject, network).means, network)
        return compute_trace_damage(subject, network, traces)

    def estimate(self, subject: CompressionSubject, network: TappedNetwork) -> TraceEstimate:
        """The traces: layer by layer that of the weight and those of its sites.

        Args:
            subject: What is compressed; it has data.
            network: Its network.
        """
        data = subject.need_data()
        outputs = network.forward(next(iter(data))).detach()
        columns = int(np.prod(OutputCurvature(subject.task).probe_shape(outputs))) // len(outputs)
        population = 1 << (columns - 1).bit_length()
        rows = np.random.default_rng(self.seed).permutation(population)

        def probe(numbers: range) -> FloatArray:
            signs = torch.from_numpy(draw_signs(rows[numbers.start : numbers.stop], columns))
            generator = torch.Generator().manual_seed(self.seed)  # the same for all probes, or they are not orthogonal
            return self._sum_squares(subject, network, signs, generator) / len(data)

        return estimate_traces(probe, self.most_probes, self.tolerance, population)

    def _sum_squares(
        self, subject: CompressionSubject, network: TappedNetwork, probes: Tensor, generator: torch.Generator
    ) -> FloatArray:
        """The squared products of probes, shape (probes, columns), summed over samples: shape (probes, matrices)."""
        curvature, sums = OutputCurvature(subject.task), []
        for inputs in subject.need_data():
            outputs = network.forward(inputs)
            own = torch.randint(0, 2, (len(inputs), probes.shape[1]), generator=generator) * 2 - 1
            shape = curvature.probe_shape(outputs)
            weights = [curvature.spread(outputs, (signs * own).to(outputs).reshape(shape)) for signs in probes]
            sums.append([_square_parts(network, outputs, one) for one in weights])
        return np.array(sums).sum(0)


def _square_parts(network: TappedNetwork, outputs: Tensor, weights: Tensor) -> list[float]:
    parts = (part for one in network.gradients(outputs, weights) for part in (one.weight, *one.sites))
    return [float(part.square().sum(dtype=torch.float64)) for part in parts]
