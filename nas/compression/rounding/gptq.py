"""GPTQ: weights are rounded one after the other, and those that are left make up for each error."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nas.compression.rounding.rounding import BLOCK, RoundedWeight, Rounding, RoundingProblem, keep_better


@dataclass(frozen=True)
class Gptq(Rounding):
    """Optimal brain surgery on a grid (Frantar et al., "GPTQ", ICLR 2023, section 3.3), largest inputs first.

    The order by falling power of the input is the authors' `act_order`. Errors of a block of columns reach the columns
    after it at once, the paper's lazy batches. Weights that stay 0 are errors like others, for which those that are
    left make up (Frantar and Alistarh, "SparseGPT", ICML 2023, section 3.4). An output channel for which the nearest
    codes turn out better keeps those.
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
        kept = None if problem.kept is None else problem.kept.take_along_dim(along, 2).mT
        scale = problem.spread(steps).expand_as(weight).take_along_dim(along, 2).mT.contiguous()  # of each column
        for start in range(0, weight.shape[2], BLOCK):
            end = start + BLOCK
            rows = factor[:, start:end]
            block = weight[..., start:end].mT.contiguous()  # (groups, columns, out): a column lies in one piece
            errors, rounded = torch.empty_like(block), torch.empty_like(block)
            # views of all columns at once: to index them one by one takes longer than to compute
            parts = zip(*(part.unbind(1) for part in (block, rounded, errors, scale[:, start:end])), strict=True)
            for column, (value, code, error, unit) in enumerate(parts):
                torch.div(value, unit, out=code).round_().clamp_(-problem.largest, problem.largest)
                if kept is not None:
                    code *= kept[:, start + column]
                row = rows[:, column, start + column : end, None]
                torch.div(value - code * unit, row[:, 0], out=error)
                block[:, column + 1 :].addcmul_(row[:, 1:], error[:, None], value=-1)
            codes[..., start:end] = rounded.mT
            weight[..., end:] -= errors.mT @ rows[..., end:]
        found = RoundedWeight(torch.empty_like(codes).scatter_(2, along, codes), steps)
        return keep_better(problem, RoundedWeight(problem.nearest(steps), steps), found)
