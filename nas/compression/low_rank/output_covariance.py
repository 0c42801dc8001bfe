"""LoRD: the outputs of a layer are approximated best, as calibration data bring them about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.compression.calibration_data import CalibrationData
from nas.compression.low_rank.factorization import Factorization, list_factorable
from nas.compression.repair.references import record_references
from nas.compression.tracing.trace import TracedNetwork


@dataclass(frozen=True)
class OutputCovariance(Factorization):
    """Eigenvectors of the mean of y yᵀ over outputs y, which is not centred, by falling eigenvalues.

    Source: Kaushal, Vaidhya, Rish, "LoRD: Low Rank Decomposition of Monolingual Code LLMs", 2023, section 3. The mean
    squared error of the outputs y = W x is the sum of the eigenvalues that are left out: the least of any weight of
    that rank on these inputs. A bias is left as it is.

    Attributes:
        rows: Number of outputs of each layer that are taken, or all if there are fewer.
        seed: Of the positions at which they are taken.

    Raises:
        ValueError: If there are no rows.
    """

    rows: int = 16_384
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.rows >= 1:
            raise ValueError(f"a covariance needs one or more outputs, got {self.rows}")

    @torch.no_grad()
    def find_directions(self, traced: TracedNetwork, data: CalibrationData | None) -> Mapping[str, Tensor]:
        """The eigenvectors of every layer, shape (out, out) each, of the outputs of its first call.

        Raises:
            ValueError: If there is no data.
        """
        if data is None:
            raise ValueError("output_covariance needs calibration data, and there is none; take svd, or give inputs")
        references = record_references(traced, data, self.rows, self.seed)
        found = {}
        for layer, _ in list_factorable(traced):
            call = layer.units[0].call
            bias = traced.parameters[call.parameters[1]].double() if len(call.parameters) > 1 else 0.0
            outputs = torch.cat(references[call.name].outputs).double() - bias
            _, vectors = torch.linalg.eigh(outputs.T @ outputs / len(outputs))  # by rising eigenvalues
            found[layer.weight] = vectors.flip(1)
        return found
