"""GPTQ: weights are rounded one after the other, and those that are left make up for each error."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nas.compression.rounding.rounding import RoundedWeight, Rounding, RoundingProblem, keep_better


@dataclass(frozen=True)
class Gptq(Rounding):
    """Optimal brain surgery on a grid (Frantar et al., "GPTQ", ICLR 2023, section 3.3), largest inputs first.

    The order by falling power of the input is the paper's `act_order`. An output channel for which the nearest codes
    turn out better keeps those.
    """

    def round(self, problem: RoundingProblem) -> RoundedWeight:
        """Codes in the steps of `RoundingProblem.choose_steps`."""
        steps = problem.choose_steps()
        order = problem.gram.diagonal(dim1=1, dim2=2).argsort(1, descending=True)
        gram = problem.gram.take_along_dim(order[:, :, None], 1).take_along_dim(order[:, None, :], 2)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        factor = torch.linalg.cholesky(inverse, upper=True)
        along = order[:, None, :].expand_as(problem.weight)
        weight = problem.weight.take_along_dim(along, 2)
        codes = torch.empty_like(weight)
        for column in range(weight.shape[2]):
            code = (weight[..., column] / steps).round().clamp_(-problem.largest, problem.largest)
            codes[..., column] = code
            row = factor[:, None, column, column:]
            error = (weight[..., column] - code * steps) / row[..., 0]
            weight[..., column + 1 :] -= error[..., None] * row[..., 1:]
        found = RoundedWeight(torch.empty_like(codes).scatter_(2, along, codes), steps)
        return keep_better(problem, RoundedWeight(problem.nearest(steps), steps), found)
