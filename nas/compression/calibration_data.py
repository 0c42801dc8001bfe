"""The data by which a trained network is calibrated, judged and repaired: labelled or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class CalibrationData:
    """Inputs of a network, in batches of their order.

    Attributes:
        inputs: Shape (n, ...), as the network reads them.
        labels: Shape (n, ...), as its task encodes them; None if there are none.
        batch: Number of inputs of one forward pass; the last batch may have fewer.

    Raises:
        ValueError: If there are no inputs, one is not finite, there are more or fewer labels than inputs, or a batch
            would be empty.
    """

    inputs: Tensor
    labels: Tensor | None = None
    batch: int = 64

    def __post_init__(self) -> None:
        if self.inputs.dim() == 0 or not len(self.inputs):
            raise ValueError(f"calibration data needs one or more inputs, got shape {tuple(self.inputs.shape)}")
        if not bool(self.inputs.isfinite().all()):
            raise ValueError("the inputs of calibration data must be finite, got NaN or infinity")
        if self.labels is not None and len(self.labels) != len(self.inputs):
            raise ValueError(f"each of {len(self.inputs)} inputs needs a label, got {len(self.labels)} labels")
        if not self.batch >= 1:
            raise ValueError(f"a batch needs one or more inputs, got {self.batch}")

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Iterator[Tensor]:
        """The batches of inputs, each of shape (batch, ...)."""
        return iter(self.inputs.split(self.batch))

    def labelled(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of inputs, shape (batch, ...), with their labels, shape (batch, ...).

        Raises:
            ValueError: If there are no labels.
        """
        if self.labels is None:
            raise ValueError("this needs labels, and the calibration data has none; give labels, or ask for less")
        return zip(self, self.labels.split(self.batch), strict=True)

    def with_labels(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The batches of inputs, shape (batch, ...), with their labels, or None where there are none."""
        labels = repeat(None) if self.labels is None else self.labels.split(self.batch)
        return zip(self, labels, strict=False)

    def take(self, count: int) -> CalibrationData:
        """The first `count` inputs with their labels, or all if there are fewer."""
        labels = None if self.labels is None else self.labels[:count]
        return CalibrationData(self.inputs[:count], labels, self.batch)

    def deal(self, every: int, together: int = 1) -> tuple[CalibrationData, CalibrationData] | None:
        """The data in two parts, so that what is fitted to the first can be judged by the second.

        Args:
            every: One of so many inputs judges.
            together: Number of consecutive inputs that stay in one part, where a network runs whole batches alone.

        Returns:
            The inputs to which is fitted, and those that judge, in their order; None if one part had none.
        """
        judges = torch.arange(len(self)) // together % every == every - 1
        if bool(judges.all()) or not bool(judges.any()):
            return None
        labels = self.labels
        fitting, judging = (
            CalibrationData(self.inputs[part], None if labels is None else labels[part], self.batch)
            for part in (~judges, judges)
        )
        return fitting, judging

    def shuffled(self, generator: torch.Generator) -> CalibrationData:
        """The same data in a random order.

        Args:
            generator: Draws the order.
        """
        order = torch.randperm(len(self), generator=generator)
        return CalibrationData(self.inputs[order], None if self.labels is None else self.labels[order], self.batch)
