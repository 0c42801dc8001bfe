"""Labels that are numbers, one or several for each sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas.tasks.task import RawLabels
from search_spaces.quoting import cut

_MOST_SHOWN = 40  # characters of a label in a message


def list_entries(value: Any) -> list[Any]:
    """A label as a list of its entries; one that is not a list is the only entry."""
    return list(value) if isinstance(value, list | tuple) else [value]


def show(value: Any) -> str:
    """A label in a message: its type and, cut, its value."""
    return f"{type(value).__name__} {cut(repr(value), _MOST_SHOWN)}"


def is_number(value: Any) -> bool:
    """Whether a value is a real number; true and false are none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def encode_numbers(splits: Sequence[RawLabels]) -> tuple[Tensor, ...]:
    """The labels of each split as numbers, float32, shape (n, numbers).

    Raises:
        ValueError: If a label is missing, is not a number or a list of as many numbers as the others have, or is not
            finite in single precision; the message names its place.
    """
    width = next((len(list_entries(value)) for split in splits for value in split.values), 1)
    return tuple(_encode_split(split, width) for split in splits)


def group_by_quantile(labels: Tensor, groups: int) -> Tensor:
    """Groups of equally many samples with neighbouring labels, int64, shape (n,).

    Several numbers count as the mean of their distances from their means, each in units of its spread.

    Args:
        labels: Shape (n, numbers).
        groups: Number of groups.
    """
    values = labels.double()
    spread = values.std(0, correction=0).clamp(min=torch.finfo(torch.float64).tiny)
    ranks = ((values - values.mean(0)) / spread).mean(1).argsort(stable=True).argsort()
    return ranks * groups // max(len(labels), 1)


def _to_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def _encode_split(split: RawLabels, width: int) -> Tensor:
    rule = f"labels of {split.source} must be {'numbers' if width == 1 else f'lists of {width} numbers'}"
    rows = []
    for row, value in enumerate(split.values):
        entries = list_entries(value)
        if any(map(is_missing, entries)):
            raise ValueError(f"{rule}, got none in {split.where(row)}; remove the row, or give it a label")
        if len(entries) != width or not all(map(is_number, entries)):
            raise ValueError(f"{rule}, got {show(value)} in {split.where(row)}")
        rows.append([_to_float(entry) for entry in entries])
    encoded = torch.from_numpy(np.array(rows, dtype=np.float64).reshape(len(rows), width)).float()
    infinite = (~encoded.isfinite()).any(1).nonzero().flatten().tolist()
    if infinite:
        raise ValueError(
            f"{rule}, finite in single precision, got {show(split.values[infinite[0]])} in {split.where(infinite[0])}"
        )
    return encoded
