"""The curvature of a loss by the weights of layers, and the probabilities of bit-widths that follow from it.

Source: Huang et al., "Nearly Lossless Adaptive Bit Switching", 2025, Hessian-aware stochastic bit-switching;
Dong et al., "HAWQ-V2", NeurIPS 2020, for the traces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean

import numpy as np
import torch
from torch import Tensor

from search_spaces.compression_policy import FULL_PRECISION_BITS


def estimate_hessian_traces(
    loss: Tensor, weights: Sequence[Tensor], probes: int, generator: torch.Generator
) -> list[float]:
    """The mean of the diagonal of the loss's Hessian for each weight: the trace divided by the number of elements.

    A trace grows with the size of its layer. The mean, as in HAWQ-V2, makes layers of different sizes comparable.

    Hutchinson's method: z^T H z has the mean trace(H) over random signs z. All layers are probed by one backward pass;
    the second derivatives across layers cancel on average, and add to the variance.

    Args:
        loss: A scalar with its graph, from a network in evaluation mode: batch statistics would couple the samples.
        weights: One per layer, of any shape; where the loss does not depend on one, its trace is 0.
        probes: Number of random sign vectors z over which is averaged, at least 1.
        generator: Draws the signs, on its own device.

    Returns:
        One mean per weight. It is negative where negative curvature prevails.

    Raises:
        ValueError: If `probes` is below 1.
    """
    if probes < 1:
        raise ValueError(f"probes must be at least 1, got {probes}")
    # a weight that the loss does not depend on has a gradient of zero, and so a trace of zero
    gradients = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
    samples = []
    for _ in range(probes):
        signs = [_draw_signs(weight, generator) for weight in weights]
        products = torch.autograd.grad(gradients, weights, signs, retain_graph=True, materialize_grads=True)
        samples.append(torch.stack([(z * hz).mean() for z, hz in zip(signs, products, strict=True)]).tolist())
    return [float(average) for average in np.mean(samples, axis=0)]


def compute_bit_probabilities(traces: Sequence[float], bits: Sequence[Sequence[int]]) -> list[list[float]]:
    """The probabilities with which training draws the bit-widths of each layer.

    All bit-widths are equally probable for a layer whose trace is at most the mean over layers. A more sensitive layer
    draws those of integers in proportion to their number of bits. Floating point keeps its equal share there, too: its
    32 bits are no measure of a precision, and by them a sensitive layer would hardly ever be rounded.

    Args:
        traces: One finite number per layer, comparable across layers; see `estimate_hessian_traces`.
        bits: For each layer the bit-widths that it chooses from, all positive; 32 is floating point.

    Returns:
        One probability for each bit-width of each layer; those of a layer sum to 1.

    Raises:
        ValueError: If there are no traces, a trace is not finite, a layer has no bit-widths, or a bit-width is below 1.
    """
    if not traces or not all(math.isfinite(trace) for trace in traces):
        raise ValueError(f"traces must be finite numbers, one per layer; got {list(traces)}")
    for known in bits:
        if not known or not all(one >= 1 for one in known):
            raise ValueError(f"bits must be positive bit-widths, at least one; got {list(known)}")
    threshold = mean(traces)  # exact: a mean that is rounded could lie below traces that are all equal
    return [
        _prefer_bits(known) if trace > threshold else [1 / len(known)] * len(known)
        for trace, known in zip(traces, bits, strict=True)
    ]


def _prefer_bits(bits: Sequence[int]) -> list[float]:
    """The probabilities of the bit-widths of a sensitive layer."""
    rounded = [number for number in bits if number != FULL_PRECISION_BITS]
    share = len(rounded) / len(bits)  # what is left by floating point
    return [1 / len(bits) if one == FULL_PRECISION_BITS else share * one / sum(rounded) for one in bits]


def _draw_signs(weight: Tensor, generator: torch.Generator) -> Tensor:
    """Random -1 and 1, of the shape, type and device of a weight."""
    drawn = torch.randint(2, weight.shape, generator=generator, device=generator.device)
    return (2 * drawn - 1).to(weight)
