"""An order of layers by how many directions what they write really has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas.compression.sensitivity.ordinal_damage import rank_damage
from nas.compression.sensitivity.sensitivity_metric import SensitivityMetric
from nas.compression.sensitivity.written_values import Written, read_written
from nas.compression.subject import CompressionSubject
from search_spaces.additive_cost import FloatArray


@dataclass(frozen=True)
class EffectiveRank(SensitivityMetric):
    """Layers whose outputs use the largest share of their channels matter most; those with redundant ones least.

    The share is the effective rank of the outputs, a row for each position of each sample, over the number of channels.
    Source: Roy, Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007, section 2, for the
    measure; that layers are ordered by it is ours. Several calls of a layer count together. The damage is that of an
    order, see `rank_damage`; activations are not considered.
    """

    def damage(self, subject: CompressionSubject) -> tuple[FloatArray, ...]:
        """The damage of the policies of each layer, each of shape (policies,)."""
        return rank_damage(subject, self.score(subject))

    def score(self, subject: CompressionSubject) -> FloatArray:
        """The effective rank of what each layer writes over its channels, from 0 to 1, shape (layers,).

        Args:
            subject: A network with data.
        """
        products: dict[Written, Tensor] = {}  # of the columns, of which the eigenvalues are squared singular values
        for one, value in read_written(subject):
            rows = one.as_rows(value).double()
            products[one] = products.get(one, torch.zeros(())) + rows.T @ rows
        shares: list[list[float]] = [[] for _ in subject.choices]
        for one, product in products.items():
            singular = torch.linalg.eigvalsh(product).clamp_min(0.0).sqrt()
            shares[one.layer].append(float(compute_effective_rank(singular)) / len(product))
        return np.array([np.mean(known) if known else 0.0 for known in shares])


def compute_effective_rank(singular: Tensor) -> Tensor:
    """The effective rank of matrices: the exponential of the entropy of their singular values, shape (...).

    It is at most the rank, and equal to it where all singular values but those of 0 are equal; 0 of a matrix of zeros.

    Args:
        singular: Singular values, not negative, shape (..., values).
    """
    total = singular.sum(-1, keepdim=True)
    shares = singular / torch.where(total > 0, total, 1.0)
    return torch.where(total[..., 0] > 0, torch.special.entr(shares).sum(-1).exp(), 0.0)
