"""Multi-label classification: every sample has any number of labels, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.tasks.class_weights import ClassWeights, resolve_class_weights
from nas.tasks.numbers import is_missing, list_entries, show
from nas.tasks.task import EncodedLabels, RawLabels, Task
from search_spaces.quoting import quote

_MOST_LABELS = 100_000  # more outputs than any such classifier has: numbers beyond are identifiers, not labels
_SIGNS = "|;,"  # that join several labels in one cell; a name with one of them is an entry of a list


@dataclass(frozen=True)
class MultiLabel(Task):
    """Networks give one logit for each label, whose sigmoid is the probability that a sample has it.

    Labels of a sample are names, numbers from 0, or a list of these, which may be empty; or one column of 0 and 1 for
    each label. Lists of equal length, two or more, that hold nothing but 0 and 1 are read as such columns.

    Attributes:
        weights: Weight of the samples that have a label, for each label; empty if all count 1.
    """

    name: ClassVar[str] = "multi_label"
    headline: ClassVar[str] = "mean_average_precision"
    weighs_classes: ClassVar[bool] = True
    gives_probabilities: ClassVar[bool] = True

    weights: tuple[float, ...] = ()

    def encode(self, splits: Sequence[RawLabels], names: tuple[str, ...] | None) -> EncodedLabels:
        """1 where a sample has a label, else 0: float32, shape (n, labels), and the names of the labels.

        Raises:
            ValueError: If a label is missing, of another kind than the others, negative, or beyond the labels.
        """
        for split in splits:
            for row, value in enumerate(split.values):
                if any(map(is_missing, list_entries(value))):
                    raise ValueError(f"{_rule(split)}, got none in {split.where(row)}; write [] where it has no label")
        if ((count := _count_columns(splits)) and names in (None, ())) or (names is not None and len(names) == count):
            labels = tuple(torch.tensor(np.array(split.values, dtype=np.float32)) for split in splits)
            return EncodedLabels(labels, names or tuple(map(str, range(count))))
        if names is None:
            _check_single(splits)
        entries = [entry for split in splits for value in split.values for entry in list_entries(value)]
        if all(isinstance(entry, str) for entry in entries):
            known = names if names is not None else tuple(sorted(set(entries)))
            numbers: dict[Any, int] = {name: number for number, name in enumerate(known)}
        else:
            numbers = _number(splits, None if names is None else len(names))
            known = names if names is not None else tuple(map(str, numbers))
        return EncodedLabels(tuple(_mark(split, numbers) for split in splits), known)

    def find_strata(self, labels: Tensor) -> Tensor:
        """The rarest label of each sample; those without a label are a group of their own."""
        counts = torch.where(labels > 0, labels.sum(0), torch.inf)
        return torch.where(labels.any(1), counts.argmin(1) + 1, 0)

    def check_training(self, labels: Tensor, names: Sequence[str]) -> None:
        """Every label has training samples, and samples that do not have it.

        Raises:
            ValueError: If not; the labels are named.
        """
        counts = labels.sum(0)
        for kind, lacking in (("have it", counts == 0), ("do not have it", counts == len(labels))):
            missing = lacking.nonzero().flatten().tolist()
            if missing:
                shown = ", ".join(repr(names[number]) for number in missing[:10]) + (", ..." if missing[10:] else "")
                raise ValueError(
                    f"every label must have training samples that {kind}, and {len(missing)} of {len(names)} have "
                    f"none: {shown}; add samples, leave the label out or, where data.limit does, raise it"
                )

    def compute_loss(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:  # noqa: ARG002
        """The mean binary cross-entropy, in which samples that have a label count its weight."""
        weight = torch.tensor(self.weights, device=outputs.device) if self.weights else None
        return F.binary_cross_entropy_with_logits(outputs, labels, pos_weight=weight)

    def view_as_logits(self, outputs: Tensor) -> Tensor:
        """One distribution over "has it" and "has it not" for every sample and label, shape (batch * labels, 2)."""
        return torch.stack([outputs, torch.zeros_like(outputs)], -1).flatten(0, 1)

    def weigh(self, stated: ClassWeights, labels: Tensor, names: Sequence[str]) -> MultiLabel:
        """Weights of labels; balanced ones give samples with and without a label the same weight in their sums."""
        positive = labels.double().sum(0)
        return replace(
            self, weights=resolve_class_weights(stated, names, ((len(labels) - positive) / positive).tolist())
        )


MULTI_LABEL = MultiLabel()


def _rule(split: RawLabels) -> str:
    return f"labels of {split.source} must be lists of names, or of numbers from 0, or columns of 0 and 1"


def _check_single(splits: Sequence[RawLabels]) -> None:
    """A name outside of a list is one label; raises ValueError if it seems to be several, joined by a sign."""
    for split in splits:
        for row, value in enumerate(split.values):
            if isinstance(value, str) and any(sign in value for sign in _SIGNS):
                raise ValueError(
                    f"{_rule(split)}, got {quote(value)} in {split.where(row)}, which seems to be several; write lists "
                    'in JSON, such as ["cat", "dog"]'
                )


def _count_columns(splits: Sequence[RawLabels]) -> int:
    """The number of columns, if all labels are lists of as many 0 and 1, two or more; else 0."""
    values = [value for split in splits for value in split.values]
    count = len(values[0]) if values and isinstance(values[0], list | tuple) else 0
    alike = all(isinstance(value, list | tuple) and len(value) == count for value in values)
    if count < 2 or not alike or any(isinstance(entry, str) for value in values for entry in value):
        return 0
    return count if all(entry in (0, 1) for value in values for entry in value) else 0


def _number(splits: Sequence[RawLabels], known: int | None) -> dict[Any, int]:
    """All numbers of labels, each its own; raises ValueError for what is none."""
    most = -1
    for split in splits:
        for row, value in enumerate(split.values):
            for entry in list_entries(value):
                if isinstance(entry, bool) or not isinstance(entry, int | np.integer):
                    raise ValueError(f"{_rule(split)}, got {show(entry)} in {split.where(row)}")
                limit = _MOST_LABELS if known is None else known
                if not 0 <= entry < limit:
                    raise ValueError(f"{_rule(split)} and below {limit:,}, got {entry} in {split.where(row)}")
                most = max(most, int(entry))
    return {number: number for number in range(most + 1 if known is None else known)}


def _mark(split: RawLabels, numbers: dict[Any, int]) -> Tensor:
    """1 where a sample has a label, else 0, shape (n, labels)."""
    marked = torch.zeros(len(split), len(numbers))
    for row, value in enumerate(split.values):
        for entry in list_entries(value):
            if entry not in numbers:
                shown = ", ".join(map(str, list(numbers)[:10]))
                raise ValueError(f"{split.where(row)} has label {entry!r}, which is none of the labels: {shown}")
            marked[row, numbers[entry]] = 1.0
    return marked
