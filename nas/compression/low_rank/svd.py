"""Truncated singular value decomposition: the weight itself is approximated best. Needs no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.low_rank.factorization import Factorization, list_factorable
from nas.compression.tracing.trace import TracedNetwork


@dataclass(frozen=True)
class TruncatedSvd(Factorization):
    """Left singular vectors of the weight, by falling singular values (Eckart and Young, 1936).

    The squared error of the weight is the sum of the squares of the singular values that are left out, the least that
    any weight of that rank has. That of outputs is least if all inputs are uncorrelated and equally strong.
    """

    @torch.no_grad()
    def find_directions(self, traced: TracedNetwork, data: CalibrationData | None) -> Mapping[str, Tensor]:  # noqa: ARG002
        """The singular vectors of every layer, shape (out, min(out, in)) each; the data are not read."""
        return {layer.weight: find_singular_directions(matrix) for layer, matrix in list_factorable(traced)}


def find_singular_directions(weight: Tensor) -> Tensor:
    """The left singular vectors of a weight by falling singular values, shape (out, min(out, in)), double precision.

    Args:
        weight: Shape (out, ...).
    """
    vectors: Tensor = torch.linalg.svd(weight.flatten(1).double(), full_matrices=False).U
    return vectors
