"""NumPy archives of images and labels, such as those of Keras and MedMNIST."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from nas.data.layouts.array_names import SPLIT_ARRAYS, choose_arrays
from nas.data.layouts.columns import combine_labels, name_outputs
from nas.data.layouts.layout import Layout
from nas.data.layouts.records import ArrayRecords, Records, StoredSplits
from nas.data.layouts.split_files import find_split_files, list_files
from nas.data.reading import Columns
from nas.tasks.task import NumberedPlaces, RawLabels
from search_spaces.quoting import describe_error, quote

_SUFFIXES = (".npz",)
_MOST_BYTES = 8 << 30  # of all arrays of an archive, which are in memory in every process; more belongs in parts
_CHANNELS = (1, 2, 3, 4)  # numbers by which an axis of channels is told from one of pixels


class NumpyFiles(Layout):
    """An `.npz` file with `x_train, y_train, x_test, y_test`, MedMNIST's names, or `images, labels`; or one per split.

    Images are of shape (n, height, width), (n, height, width, channels) or (n, channels, height, width).
    """

    expected = "an .npz file with arrays x_train and y_train or images and labels"

    def recognizes(self, path: Path) -> bool:
        """Whether there is an `.npz` file."""
        return bool(list_files(path, _SUFFIXES))

    def read(self, path: Path, columns: Columns) -> StoredSplits:
        """Reads all arrays."""
        found = find_split_files(path, _SUFFIXES)
        for files in found.files.values():
            if len(files) > 1:
                raise ValueError(
                    f"{path} must hold one .npz file for each split, got {files[0].name} and {files[1].name}"
                )
        stored: dict[str, Records] = {}
        if len(found.files) == 1:
            (file,) = found.files["train"]
            for split in SPLIT_ARRAYS:
                if (chosen := choose_arrays(file, _Archive(file).names, split, columns)) is not None:
                    stored[split] = _read(file, *chosen)
        for split, (file,) in found.files.items() if len(found.files) > 1 else ():
            names = _Archive(file).names
            chosen = choose_arrays(file, names, split, columns, alone=True)
            if chosen is None:
                raise ValueError(f"{file} must have arrays images and labels, got {', '.join(names)}")
            stored[split] = _read(file, *chosen)
        return StoredSplits.of(stored, names=name_outputs(columns.labels), notes=found.notes)


class _Archive:
    """The arrays of an archive; what they declare is checked before memory is taken.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as file:
                self.members = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
                size = sum(_check_header(path, file, info) for info in self.members.values())
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"{path} is not a readable .npz file: {describe_error(error)}") from error
        if not size <= _MOST_BYTES:
            raise ValueError(
                f"{path} declares arrays of {size:,} bytes, and {_MOST_BYTES:,} at most are read into memory; store "
                "larger sets as Parquet files or tar shards"
            )

    @property
    def names(self) -> list[str]:
        """Names of the arrays."""
        return list(self.members)

    def read(self, name: str) -> NDArray[Any]:
        """An array.

        Raises:
            ValueError: If it is damaged.
        """
        try:
            with zipfile.ZipFile(self.path) as file, file.open(self.members[name]) as member:
                return npy.read_array(member, allow_pickle=False)
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error) as error:
            raise ValueError(f"{self.path} is damaged in array {name}: {describe_error(error)}") from error


def _check_header(path: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    """Size of an array in bytes; raises ValueError if it is none of numbers, or its shape does not fit the file."""
    name = info.filename.removesuffix(".npy")
    try:
        with file.open(info) as member:
            version = npy.read_magic(member)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, kind = read(member)
            header = member.tell()
    except Exception as error:  # headers are parsed as Python literals, which raises errors of many kinds
        raise ValueError(f"{path} must hold arrays, and {quote(name)} is none: {describe_error(error)}") from error
    if kind.hasobject:
        raise ValueError(f"array {name} of {path} holds Python objects, which are never unpickled; store numbers")
    if any(not 0 <= length < 2**48 for length in shape) or prod(shape) * kind.itemsize != info.file_size - header:
        raise ValueError(f"array {name} of {path} declares shape {shape} of {kind}, and has {info.file_size:,} bytes")
    return prod(shape) * kind.itemsize


def _read(path: Path, inputs: str, columns: Sequence[str]) -> ArrayRecords:
    archive = _Archive(path)
    images = archive.read(inputs)
    if images.ndim not in (3, 4) or len(images) == 0:
        raise ValueError(
            f"array {inputs} of {path} must be images of shape (n, height, width) or (n, height, width, channels), "
            f"got {images.shape}"
        )
    if images.ndim == 4 and images.shape[-1] not in _CHANNELS and images.shape[1] in _CHANNELS:
        images = np.moveaxis(images, 1, -1)
    values = combine_labels([_read_labels(archive, name, inputs, len(images)) for name in columns], len(images))
    return ArrayRecords(
        images, RawLabels(values, NumberedPlaces(f"{path} {inputs}[", "]"), f"{path} {', '.join(columns)}")
    )


def _read_labels(archive: _Archive, name: str, inputs: str, count: int) -> list[Any]:
    labels = archive.read(name)
    if labels.ndim == 0 or len(labels) != count:
        raise ValueError(
            f"{archive.path} must have a label for each image, got {count} {inputs} and "
            f"{len(labels) if labels.ndim else 'a single number as'} {name}"
        )
    values = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    return list(values.tolist())
