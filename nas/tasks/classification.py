"""Classification: every sample is of exactly one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.tasks.class_weights import ClassWeights, resolve_class_weights
from nas.tasks.numbers import is_missing, show
from nas.tasks.task import EncodedLabels, RawLabels, Task

_MOST_CLASSES = 1_000_000  # more outputs than any classifier has: labels beyond are identifiers, not classes


@dataclass(frozen=True)
class Classification(Task):
    """Labels are class numbers from 0, or names of classes; networks give one logit for each class.

    Attributes:
        weights: Weight of each class in the loss; empty if all count alike.
    """

    name: ClassVar[str] = "classification"
    headline: ClassVar[str] = "accuracy"
    unlabelled_headline: ClassVar[str] = "top1_agreement"
    smooths_labels: ClassVar[bool] = True
    weighs_classes: ClassVar[bool] = True
    gives_probabilities: ClassVar[bool] = True

    weights: tuple[float, ...] = ()

    def encode(self, splits: Sequence[RawLabels], names: tuple[str, ...] | None) -> EncodedLabels:
        """Class numbers, int64, shape (n,), and the names of the classes.

        Class names are sorted, unless the data set states their order. Numbers without names are names themselves.

        Raises:
            ValueError: If a label is missing, of another kind than the others, negative, or beyond the classes.
        """
        for split in splits:
            check_present(split)
        if all(isinstance(value, str) for split in splits for value in split.values):
            return self._encode_names(splits, names)
        labels = tuple(_read_numbers(split) for split in splits)
        count = 1 + max(int(part.max()) for part in labels if len(part)) if any(map(len, labels)) else 0
        if names is None:
            names = tuple(str(number) for number in range(count))
        elif not count <= len(names):
            split, row = _find(splits, labels, count - 1)
            raise ValueError(
                f"labels of {split.source} must be below {len(names)}, the number of class names, got {count - 1} in "
                f"{split.where(row)}; name that class, or correct the label"
            )
        return EncodedLabels(labels, names)

    def find_strata(self, labels: Tensor) -> Tensor:
        """The classes."""
        return labels

    def check_training(self, labels: Tensor, names: Sequence[str]) -> None:
        """Every class has training samples, and there are two or more classes.

        Raises:
            ValueError: If not; the classes without samples are named.
        """
        counts = torch.bincount(labels, minlength=len(names))
        present, missing = (counts > 0).nonzero().flatten().tolist(), (counts == 0).nonzero().flatten().tolist()
        if len(present) < 2:
            raise ValueError(
                f"the training samples must be of 2 or more classes, got only class {names[present[0]]!r}; add samples "
                "of another class or, where data.limit leaves one out, raise it"
            )
        if missing:
            shown = ", ".join(repr(names[number]) for number in missing[:10]) + (", ..." if len(missing) > 10 else "")
            raise ValueError(
                f"every class must have training samples, and {len(missing)} of {len(names)} have none: {shown}; add "
                "samples, renumber the labels without gaps or, where data.limit leaves them out, raise it"
            )

    def compute_loss(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """The cross-entropy, in which each sample counts the weight of its class."""
        weight = torch.tensor(self.weights, device=outputs.device) if self.weights else None
        return F.cross_entropy(outputs, labels, weight, label_smoothing=smoothing)

    def view_as_logits(self, outputs: Tensor) -> Tensor:
        """The outputs themselves."""
        return outputs

    def weigh(self, stated: ClassWeights, labels: Tensor, names: Sequence[str]) -> Classification:
        """Weights of the classes; balanced ones give all classes the same weight in the sum over all samples."""
        counts = torch.bincount(labels, minlength=len(names)).double()
        return replace(self, weights=resolve_class_weights(stated, names, (len(labels) / len(names) / counts).tolist()))

    def _encode_names(self, splits: Sequence[RawLabels], names: tuple[str, ...] | None) -> EncodedLabels:
        known = names if names is not None else tuple(sorted({value for split in splits for value in split.values}))
        numbers = {name: number for number, name in enumerate(known)}
        for split in splits:
            for row, value in enumerate(split.values):
                if value not in numbers:
                    shown = ", ".join(known[:10])
                    raise ValueError(f"{split.where(row)} has label {value!r}, which is none of the classes: {shown}")
        encoded = (torch.tensor([numbers[value] for value in split.values], dtype=torch.int64) for split in splits)
        return EncodedLabels(tuple(encoded), known)


CLASSIFICATION = Classification()


def check_present(split: RawLabels) -> None:
    """Makes sure that no label of a split is missing.

    Raises:
        ValueError: If one is; the message names its place.
    """
    for row, value in enumerate(split.values):
        if is_missing(value):
            raise ValueError(
                f"labels of {split.source} must be class numbers from 0 or names, got none in {split.where(row)}; "
                "remove the row, or give it a label"
            )


def _read_numbers(split: RawLabels) -> Tensor:
    """The labels of a split as class numbers; raises ValueError for others."""
    rule = f"labels of {split.source} must be class numbers from 0 or names"
    for row, value in enumerate(split.values):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise ValueError(f"{rule}, got {show(value)} in {split.where(row)}")
        if not 0 <= value < _MOST_CLASSES:
            raise ValueError(f"{rule} and below {_MOST_CLASSES:,}, got {value} in {split.where(row)}; renumber them")
    return torch.tensor([int(value) for value in split.values], dtype=torch.int64)


def _find(splits: Sequence[RawLabels], labels: Sequence[Tensor], number: int) -> tuple[RawLabels, int]:
    """The split and the row of the first label of a class number that is there."""
    for split, numbers in zip(splits, labels, strict=True):
        rows = (numbers == number).nonzero()
        if len(rows):
            return split, int(rows[0])
    raise AssertionError(f"no label is {number}")
