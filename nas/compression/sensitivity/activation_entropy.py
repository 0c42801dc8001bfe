"""An order of layers by the entropy of what they write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from nas.compression.sensitivity.ordinal_damage import rank_damage
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.sensitivity.written_values import Written, read_written
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray
from search_spaces.elastic.quantizers import activation_grid


@dataclass(frozen=True)
class ActivationEntropy(SensitivityMetric):
    """Layers whose rounded outputs have the highest entropy matter most: they have most to lose.

    The entropy of rounded activations as a proxy of what rounding does is that of Wang et al., "Q-VLM", NeurIPS 2024,
    section 3.2; that layers are ordered by it is ours. Several calls of a layer count as their mean. The damage is that
    of an order, see `rank_damage`.

    Attributes:
        bits: Bits of the codes of which the entropy is taken.
    """

    bits: int = 8

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the policies of each layer, each of shape (policies,)."""
        return rank_damage(subject, self.score(subject))

    def score(self, subject: CompressionSubject) -> FloatArray:
        """The entropy of what each layer writes in nats, from 0 to that of as many codes, shape (layers,).

        Args:
            subject: A network with data.
        """
        observe, ranges = subject.methods.observer.observe, dict[Written, tuple[float, float]]()
        for one, value in read_written(subject):
            low, high = observe(value.float())
            before = ranges.get(one, (low, high))
            ranges[one] = min(low, before[0]), max(high, before[1])
        counts = {one: np.zeros(2**self.bits) for one in ranges}
        for one, value in read_written(subject):
            scale, zero = activation_grid(*ranges[one], self.bits)
            codes = (value.float() / scale).round_().add_(zero).clamp_(0, 2**self.bits - 1).long().flatten()
            counts[one] += torch.bincount(codes, minlength=2**self.bits).numpy()
        found: list[list[float]] = [[] for _ in subject.choices]
        for one, count in counts.items():
            found[one.layer].append(compute_entropy(count))
        return np.array([np.mean(known) if known else 0.0 for known in found])


def compute_entropy(counts: FloatArray) -> float:
    """The entropy of a distribution in nats: 0 if all is in one place, the logarithm of n if it is even over n places.

    Args:
        counts: How often each place occurs, of any shape, with a sum above 0.
    """
    shares = counts[counts > 0] / counts.sum()
    return max(-float((shares * np.log(shares)).sum()), 0.0)
