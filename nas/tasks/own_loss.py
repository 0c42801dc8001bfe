"""A task whose loss is a function of a user's code, and whose labels are taken as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from nas.tasks.classification import CLASSIFICATION
from nas.tasks.numbers import encode_numbers, group_by_quantile, is_number, list_entries
from nas.tasks.registry import OWN_LOSS
from nas.tasks.task import EncodedLabels, RawLabels, Task
from nas.user_code import import_callable, user_code
from search_spaces.quoting import quote

_STRATA = 10  # groups of neighbouring labels, where there are more different ones than that
_TRIED = 32  # training labels with which the loss is tried before anything runs
_MOST_COUNTED = 1_000_000  # outputs; integers beyond are no numbers of outputs


@dataclass(frozen=True)
class OwnLoss(Task):
    """Labels go to the loss as they are: names as class numbers, integers as int64, other numbers as float32.

    One integer for each sample has shape (n,), like class numbers; all else has shape (n, numbers). Students learn from
    the squared difference of their outputs from those of their teacher.

    Attributes:
        loss: `package.module:function` of a function `(outputs, labels)` that returns the mean loss, a scalar.
        outputs: Number of outputs of a network; None is the number of classes that integers or names stand for, or of
            the numbers of a label.
    """

    name: ClassVar[str] = OWN_LOSS
    headline: ClassVar[str] = ""

    loss: str
    outputs: int | None = None

    def encode(self, splits: Sequence[RawLabels], names: tuple[str, ...] | None) -> EncodedLabels:
        """Labels as they come, and a name of each output.

        Raises:
            ValueError: If a label is missing, of another kind than the others, or not finite; or integers do not tell
                the number of outputs.
        """
        values = [value for split in splits for value in split.values]
        if all(isinstance(value, str) for value in values):
            found = CLASSIFICATION.encode(splits, names)
            return EncodedLabels(found.labels, self._name_outputs(len(found.names), found.names))
        labels = encode_numbers(splits)
        if not all(isinstance(entry, int) for value in values for entry in list_entries(value) if is_number(entry)):
            return EncodedLabels(labels, self._name_outputs(labels[0].shape[1], names))
        integers = tuple(
            torch.tensor([list_entries(value) for value in split.values], dtype=torch.int64).reshape(part.shape)
            for split, part in zip(splits, labels, strict=True)
        )
        if any(isinstance(value, list | tuple) for value in values):
            return EncodedLabels(integers, self._name_outputs(integers[0].shape[1], names))
        flat = tuple(part[:, 0] for part in integers)
        least, most = min(values), max(values)
        if self.outputs is None and not 0 <= least <= most < _MOST_COUNTED:
            raise ValueError(
                f"labels of {splits[0].source} are integers from {least} to {most}, which do not tell the number of "
                "outputs; state it in task.outputs"
            )
        return EncodedLabels(flat, self._name_outputs(int(most) + 1, names))

    def find_strata(self, labels: Tensor) -> Tensor:
        """Equal labels where few differ, else tenths of the samples by their labels."""
        found: Tensor = labels.unique(dim=0, return_inverse=True)[1]
        counts = found.bincount()
        if len(counts) * _STRATA <= len(labels):
            return found
        return group_by_quantile(labels.reshape(len(labels), -1), _STRATA)

    def check_training(self, labels: Tensor, names: Sequence[str]) -> None:
        """The loss takes outputs and labels, and has a gradient.

        Raises:
            ValueError: If the function cannot be imported, raises, or returns no scalar that depends on the outputs.
        """
        outputs = torch.zeros(min(_TRIED, len(labels)), len(names), requires_grad=True)
        with torch.enable_grad():
            loss = self.compute_loss(outputs, labels[:_TRIED])
        if loss.grad_fn is None:
            raise ValueError(f"a loss must depend on the outputs, and that of {self.loss} has no gradient")

    def compute_loss(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:  # noqa: ARG002
        """What the function returns.

        Raises:
            ValueError: If it cannot be imported, raises, or returns no scalar tensor of floating point.
        """
        with user_code(self.loss):
            found = import_callable(self.loss, "loss")(outputs, labels)
        if not isinstance(found, Tensor) or found.shape != () or not found.is_floating_point():
            shape = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else quote(found)
            raise ValueError(
                f"a loss must return one number as a tensor, the mean of the batch; got {shape} from {self.loss}"
            )
        return found

    def _name_outputs(self, count: int, names: tuple[str, ...] | None) -> tuple[str, ...]:
        count = self.outputs or count
        return names if names is not None and len(names) == count else tuple(map(str, range(count)))
