"""Second-order statistics of what a layer reads and of what it should yield: all that least squares needs of data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nas.compression.rounding.masked_fit import fit_weight
from nas.compression.rounding.rounding import RoundingProblem

_LEAST_POWER = 1e-8  # of damping, so that the Gram matrix of inputs that are all 0 can be inverted


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """Moments of pairs of an input x of a layer and the output y that it should yield for it.

    Attributes:
        gram: Mean of x xᵀ, shape (groups, in, in); of deviations from the means if these are not 0.
        cross: Mean of y xᵀ, shape (groups, out, in); likewise.
        input_mean: Shape (groups, in); 0 for a layer without a bias, which could not make up for a mean.
        output_mean: Shape (groups, out); likewise.
    """

    gram: Tensor
    cross: Tensor
    input_mean: Tensor
    output_mean: Tensor

    def to_problem(
        self, weight: Tensor, bits: int, damping: float, kept: Tensor | None = None, blocks: int = 1
    ) -> RoundingProblem:
        """The problem of rounding to codes the weight that fits best, which is that of the problem.

        The weight that fits best differs from the trained one where the inputs do: it makes up for what was rounded
        before it. Damping holds it to the trained weight in directions in which inputs hardly vary.

        Args:
            weight: The weight before it is rounded, shape (groups, out, in).
            bits: Bits of a code; 32 if only the weight that fits best is asked for.
            damping: Share of the mean power of the inputs that is added to the power of each.
            kept: Which weights may be other than 0, bool, in the shape of the weight; None if all may.
            blocks: Number of steps of an output channel.
        """
        power = self.gram.diagonal(dim1=1, dim2=2).mean(1) * damping
        strength = power.clamp_min(_LEAST_POWER)[:, None, None]
        gram = self.gram + strength * torch.eye(self.gram.shape[1], dtype=self.gram.dtype, device=self.gram.device)
        fit = torch.linalg.solve(gram, self.cross + strength * weight, left=False)
        problem = RoundingProblem(fit, gram, bits, kept, blocks)
        return replace(problem, weight=fit_weight(problem))

    def join(self, other: LayerStatistics, share: float) -> LayerStatistics:
        """The statistics of the pairs of both (Chan, Golub and LeVeque, 1983).

        Args:
            other: Statistics of other pairs of the layer.
            share: Their share of all pairs.
        """
        apart = other.input_mean - self.input_mean
        outputs = other.output_mean - self.output_mean
        between = share * (1 - share) * apart[:, None, :]
        return LayerStatistics(
            torch.lerp(self.gram, other.gram, share) + apart[:, :, None] * between,
            torch.lerp(self.cross, other.cross, share) + outputs[:, :, None] * between,
            torch.lerp(self.input_mean, other.input_mean, share),
            torch.lerp(self.output_mean, other.output_mean, share),
        )

    def error(self, weight: Tensor) -> Tensor:
        """Mean squared error of the outputs of a weight, less what is the same for all weights; a scalar.

        Args:
            weight: Shape (groups, out, in).
        """
        return ((weight @ self.gram - 2 * self.cross) * weight).sum()

    def bias(self, weight: Tensor) -> Tensor:
        """The bias with which a weight yields outputs of the right mean, shape (groups, out).

        Args:
            weight: Shape (groups, out, in).
        """
        return self.output_mean - (weight @ self.input_mean[..., None])[..., 0]


@dataclass(frozen=True, eq=False)
class DealtStatistics:
    """Statistics of what a layer reads, dealt into two parts, one of which can judge what is fitted to the other.

    Attributes:
        whole: Those of all pairs.
        fitting: Those of the pairs to which is fitted.
        judging: Those of the pairs that judge; None if there are pairs of one part alone.
    """

    whole: LayerStatistics
    fitting: LayerStatistics
    judging: LayerStatistics | None


class DealtSum:
    """Adds up statistics over batches, of one of every few inputs apart.

    Args:
        every: One of so many inputs judges.
    """

    def __init__(self, every: int) -> None:
        self._every, self._seen = every, 0
        self._fitting, self._judging = StatisticsSum(), StatisticsSum()

    def add(self, inputs: Tensor, outputs: Tensor, entries: Tensor, count: int) -> None:
        """Adds the pairs of a batch.

        Args:
            inputs: Shape (groups, n, in).
            outputs: Shape (n, groups * out).
            entries: Which input of the batch a pair is of, shape (n,).
            count: Number of inputs in the batch.
        """
        judges = (self._seen + entries) % self._every == self._every - 1
        self._seen += count
        for total, chosen in ((self._fitting, ~judges), (self._judging, judges)):
            if bool(chosen.any()):
                total.add(inputs[:, chosen], outputs[chosen])

    def mean(self, centred: bool) -> DealtStatistics:
        """The statistics of all pairs.

        Args:
            centred: Whether the layer has a bias that may be changed.
        """
        if not (self._fitting.count and self._judging.count):
            only = (self._fitting if self._fitting.count else self._judging).mean(centred)
            return DealtStatistics(only, only, None)
        fitting, judging = self._fitting.mean(centred), self._judging.mean(centred)
        share = self._judging.count / (self._fitting.count + self._judging.count)
        return DealtStatistics(fitting.join(judging, share), fitting, judging)


class StatisticsSum:
    """Adds up statistics over batches, in double precision.

    The products of a batch are in single precision, and those of values far from 0 would lose what the values differ
    by. So they are products of the distances from the mean of the first batch (Chan, Golub and LeVeque, 1983).

    Attributes:
        count: Number of pairs so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums: list[Tensor] = []
        self._shifts: tuple[Tensor, Tensor] | None = None

    def add(self, inputs: Tensor, outputs: Tensor) -> None:
        """Adds pairs of inputs and outputs.

        Args:
            inputs: Shape (groups, n, in).
            outputs: Shape (n, groups * out).
        """
        aims = outputs.unflatten(1, (len(inputs), -1)).permute(1, 2, 0)
        if self._shifts is None:
            self._shifts = inputs.mean(1), aims.mean(2)
        read, due = inputs - self._shifts[0][:, None], aims - self._shifts[1][..., None]
        new = [read.transpose(1, 2) @ read, due @ read, read.sum(1), due.sum(2)]
        if not self._sums:
            self._sums = [torch.zeros_like(one, dtype=torch.float64) for one in new]
        for total, one in zip(self._sums, new, strict=True):
            total += one
        self.count += inputs.shape[1]

    def mean(self, centred: bool) -> LayerStatistics:
        """The statistics of all pairs, in single precision.

        Args:
            centred: Whether the layer has a bias that may be changed.
        """
        gram, cross, inputs, outputs = (total / self.count for total in self._sums)
        gram = gram - inputs[:, :, None] * inputs[:, None, :]
        cross = cross - outputs[:, :, None] * inputs[:, None, :]
        assert self._shifts is not None
        inputs, outputs = inputs + self._shifts[0], outputs + self._shifts[1]
        if not centred:
            gram = gram + inputs[:, :, None] * inputs[:, None, :]
            cross = cross + outputs[:, :, None] * inputs[:, None, :]
            inputs, outputs = torch.zeros_like(inputs), torch.zeros_like(outputs)
        return LayerStatistics(gram.float(), cross.float(), inputs.float(), outputs.float())
