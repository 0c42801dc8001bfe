"""A torch `Dataset` of a user's code, named as `package.module:function`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import IterableDataset

from nas.data.decoding.decoder import Stored
from nas.data.layouts.columns import UNLABELLED, combine_labels
from nas.data.layouts.records import Records, StoredSplits
from nas.data.layouts.split_files import SPLITS
from nas.tasks.task import NumberedPlaces, RawLabels
from nas.user_code import import_callable, user_code

_COMPARED = 8  # samples, evenly spaced, whose labels must be those of `targets` for that attribute to be believed
_READINGS = 4  # of each of them: a random flip in half of the readings passes 8 samples once in 16 million times
_ARRAYS = ("F", "I;16")  # modes of Pillow whose arrays say all of an image


def read_user_dataset(reference: str, labelled: bool = True) -> StoredSplits:
    """The splits that a function gives.

    The function takes no arguments and returns a map-style `Dataset` of pairs (image, label), or a mapping of such by
    split: `train`, `validation` or `val`, `test`. Images are of Pillow, arrays of shape (height, width) or
    (height, width, channels), or tensors of shape (channels, height, width). Where the data set has an attribute
    `targets` or `labels` that agrees with its samples, labels are taken from there; else all samples are read once.

    Args:
        reference: `package.module:function`.
        labelled: Whether labels are read; else a sample may be an image alone, and what comes with it is left aside.

    Raises:
        ValueError: If the function or its data set raises, or gives something else; samples differ when they are read
            again; the message names the function.
    """
    parts = _open(reference)
    records = {split: _read(reference, split, labelled) for split in parts}
    if not labelled:
        return StoredSplits.of(records)
    names = getattr(parts["train"], "classes", None)
    numbers = all(isinstance(value, int) for part in records.values() for value in part.labels.values)
    stated = isinstance(names, Sequence) and numbers and all(isinstance(name, str) for name in names)
    return StoredSplits.of(records, tuple(names) if stated and names is not None else None)


@dataclass(frozen=True)
class UserRecords(Records):
    """The samples of a data set of a user's code.

    Attributes:
        reference: `package.module:function`, which is called once in every process.
        split: Name of the split.
        labels: The label of each sample.
        labelled: Whether labels are read.
    """

    reference: str
    split: str
    labels: RawLabels
    labelled: bool = True

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The images at rows, as arrays or as bytes of encoded images.

        Raises:
            ValueError: If the label that comes with an image is not the one that was listed.
        """
        part = _open(self.reference)[self.split]
        found: list[Stored] = []
        for row in rows:
            image, given = _get(self.reference, part, row, self.labelled)
            label, listed = _label(given), self.labels.values[row]
            if label != listed and not (label != label and listed != listed):  # NaN is the same label, though no equal
                raise ValueError(
                    f"{self.where(row)} has label {label!r}, and {listed!r} when labels were listed, from its "
                    "attribute targets or labels where it has one; let both be the same, and labels not be random"
                )
            found.append(_store(image, self.where(row)))
        return found


@lru_cache(maxsize=2)
def _open(reference: str) -> dict[str, Any]:
    """The data set of each split."""
    function = import_callable(reference, "data set")
    with user_code(reference):
        made = function()
    parts = made if isinstance(made, Mapping) else {"train": made}
    found = {SPLITS.get(str(name).lower(), ""): part for name, part in parts.items()}
    if "train" not in found or "" in found or len(found) < len(parts):
        raise ValueError(f"{reference} must return splits train, validation and test, got {', '.join(map(str, parts))}")
    for part in found.values():
        if isinstance(part, IterableDataset) or not (hasattr(part, "__len__") and hasattr(part, "__getitem__")):
            raise ValueError(
                f"{reference} must return a map-style torch Dataset, which has __len__ and __getitem__, got "
                f"{type(part).__name__}; samples are read in any order"
            )
    return found


def _read(reference: str, split: str, labelled: bool) -> UserRecords:
    part, place = _open(reference)[split], NumberedPlaces(f"{reference} {split}[", "]")
    with user_code(reference):
        count = len(part)
    if count == 0:
        raise ValueError(f"{reference} gives no samples for {split}")
    compared = sorted({int(row) for row in np.linspace(0, count - 1, _COMPARED)})
    for row in compared:
        _check_same(reference, part, row, place(row), labelled)
    labels: Sequence[Any] | None = _list_targets(part, count) if labelled else combine_labels([], count)
    if labels is None or any(labels[row] != _label(_get(reference, part, row, labelled)[1]) for row in compared):
        labels = [_label(_get(reference, part, row)[1]) for row in range(count)]
    return UserRecords(reference, split, RawLabels(labels, place, f"{reference} {split}"), labelled)


def _check_same(reference: str, part: Any, row: int, where: str, labelled: bool) -> None:
    """A sample must be the same whenever it is read, or neither splits nor results would be."""
    first: Stored = None
    for reading in range(_READINGS):
        again = _store(_get(reference, part, row, labelled)[0], where)
        if reading == 0:
            first = np.array(again) if isinstance(again, np.ndarray) else again  # its own memory, if that is reused
        elif not (np.array_equal(first, again) if isinstance(first, np.ndarray) else first == again):
            raise ValueError(
                f"{where} differs when it is read again; leave random transforms out, as the training augments by "
                "itself"
            )


def _get(reference: str, part: Any, row: int, labelled: bool = True) -> tuple[Any, Any]:
    """An image and its label, which is none where labels are not read."""
    with user_code(reference):
        sample = part[row]
    if not labelled:
        return (sample[0] if isinstance(sample, tuple | list) and len(sample) else sample), UNLABELLED
    if not isinstance(sample, tuple | list) or len(sample) != 2:
        raise ValueError(f"{reference} must give pairs (image, label), got {type(sample).__name__} at {row}")
    return sample[0], sample[1]


def _list_targets(part: Any, count: int) -> list[Any] | None:
    """The labels that a data set has as an attribute; None if it has none that can be them."""
    for name in ("targets", "labels"):
        found = getattr(part, name, None)
        if isinstance(found, Tensor | np.ndarray | Sequence) and not isinstance(found, str) and len(found) == count:
            return [_label(value) for value in found]
    return None


def _label(value: Any) -> Any:
    """A label as a number, a name, or a list of these."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple) and value != UNLABELLED else value


def _store(image: Any, where: str) -> Stored:
    """An image as an array of shape (height, width) or (height, width, channels), or as the bytes of a TIFF file."""
    if isinstance(image, Tensor):
        array = image.detach().cpu().numpy() if image.dtype != torch.bfloat16 else image.float().numpy()
        return array.transpose(1, 2, 0) if array.ndim == 3 else array
    if isinstance(image, np.ndarray):
        return image
    if not isinstance(image, Image.Image):
        raise ValueError(f"{where} must be an image of Pillow, an array or a tensor, got {type(image).__name__}")
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
    elif upright.mode in ("1", "L", "RGB"):
        return np.asarray(upright.convert("RGB"))  # grey ones, too: colour may stand beside them
    elif upright.mode in _ARRAYS:
        return np.asarray(upright)
    stream = io.BytesIO()
    upright.save(stream, "tiff")
    return stream.getvalue()
