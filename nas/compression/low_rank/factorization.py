"""The contract of factorisations: which directions of its output a layer of low rank keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.tracing.trace import TracedNetwork
from search_spaces.elastic.weight_steps import to_output_first
from search_spaces.low_rank import is_factorable
from search_spaces.network_graph import WeightedLayer

_LEAST_NORM = 1e-12  # of a row of a factor, so that rows of zeros can be divided by theirs


class Factorization(ABC):
    """Orders directions of the outputs of layers, the most important ones first; a layer of rank r keeps r of them.

    A weight W (out, in) with directions U (out, r), which are orthonormal, becomes U (Uᵀ W). So one order serves all
    ranks, and what is lost falls with the rank. The contract, which tests check for all registered factorisations: at
    full rank the product is the weight, and the result is the same each time. Factorisations are frozen dataclasses.
    """

    @abstractmethod
    def find_directions(self, traced: TracedNetwork, data: CalibrationData | None) -> Mapping[str, Tensor]:
        """The directions of every layer that can be of low rank, by the name of its weight, shape (out, most) each.

        Args:
            traced: The network.
            data: Its inputs; None if there are none.

        Raises:
            ValueError: If the method needs data, and there is none.
        """


def list_factorable(traced: TracedNetwork) -> Iterator[tuple[WeightedLayer, Tensor]]:
    """The layers that can be of low rank, each with its weight as a matrix in double precision, shape (out, in)."""
    for layer in traced.graph.layers:
        if all(is_factorable(unit.call.operator) for unit in layer.units):
            weight = to_output_first(traced.parameters[layer.weight].detach(), layer.operator)
            yield layer, weight.flatten(1).double()


def split_weight(weight: Tensor, directions: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The two factors of a weight, each balanced: rows of the first and columns of the second have equal norms.

    Balanced as in Maestro (Horváth et al., 2023), where each factor has the root of the singular values: of factors
    that are rounded, neither has all of the range.

    Args:
        weight: Shape (out, ...).
        directions: Orthonormal columns, shape (out, most), with as many as the rank or more.
        rank: Number of directions that are kept.

    Returns:
        The first factor, shape (rank, ...), and the second one, shape (out, rank).

    Raises:
        ValueError: If there are fewer directions than the rank.
    """
    if not rank <= directions.shape[1]:
        raise ValueError(f"a factorisation needs a direction for each of {rank} ranks, got {directions.shape[1]}")
    kept = directions[:, :rank].to(torch.float64)
    first = kept.T @ weight.flatten(1).double()
    scale = first.norm(dim=1).clamp_min(_LEAST_NORM).sqrt()
    balanced = (first / scale[:, None]).reshape(rank, *weight.shape[1:])
    return balanced.to(weight.dtype), (kept * scale).to(weight.dtype)
