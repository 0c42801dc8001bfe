"""The steps of a weight that has been rounded already, so that networks and exports find the same codes again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_spaces.elastic.weight_steps import Quantizer


@dataclass(frozen=True)
class FixedSteps(Quantizer):
    """The steps that a rounding chose. A weight on their grid is rounded to itself.

    It is made for one weight, so it is in no registry: it does not scale with the weight as other quantisers do.

    Attributes:
        values: One step per output channel, or per group of its inputs, positive.
    """

    values: tuple[float, ...]

    @classmethod
    def of(cls, steps: Tensor) -> FixedSteps:
        """The steps of a tensor of shape (rows,), in single precision."""
        return cls(tuple(steps.float().tolist()))

    def steps(self, weight: Tensor, bits: int) -> Tensor:  # noqa: ARG002 they were chosen for some bits
        """The fixed steps, shape (rows,), one for each row of the weight (`to_step_rows`).

        Raises:
            ValueError: If the weight has more or fewer rows than there are steps.
        """
        if len(weight) != len(self.values):
            raise ValueError(f"these steps are for a weight of {len(self.values)} rows, got one of {len(weight)}")
        return torch.tensor(self.values, dtype=weight.dtype, device=weight.device)
