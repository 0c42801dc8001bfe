"""Loads images, split for training, validation and testing.

A source is the digits of scikit-learn, a folder with Parquet files, or a folder with a sub-folder of images per class.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from nas.data.images import ImageData, ImageSet, Normalization

if TYPE_CHECKING:
    import pyarrow as pa

EMBEDDED = "digits"  # the source that needs no files
_HELD_OUT = 0.2  # share of the images for validation and, if the source has no test set, for testing
_FEWEST = 50  # fewest training images: fewer are not enough to calibrate batch norms and activation ranges


@dataclass(frozen=True)
class DataSource:
    """A source of images: the arguments of `load_images`, and a normalisation.

    Attributes:
        source: Name or folder of the data set.
        limit: Number of images for training and validation together; None takes all.
        image_size: Height and width of the images of a folder, in pixels.
        split_seed: Seed of the random split.
        normalization: The normalisation of inputs; None computes it from the training images.
    """

    source: str
    limit: int | None = None
    image_size: int = 32
    split_seed: int = 0
    normalization: Normalization | None = None

    def load(self) -> ImageData:
        """The images; the last ones that were loaded are kept in memory, and are not read again.

        Raises:
            ValueError: If the data are not as `load_images` needs them, or the normalisation has not one value per
                channel.
        """
        return _loaded(self)


def load_images(source: str, limit: int | None = None, image_size: int = 32, split_seed: int = 0) -> ImageData:
    """Loads a data set.

    Args:
        source: `"digits"` (scikit-learn's 1,797 scans of 8x8 pixels), a folder with `train.parquet` and
            `test.parquet` (columns `image`: encoded bytes, and `label`: integers), or a folder with one sub-folder of
            images per class.
        limit: Number of images for training and validation together, from the start of the data; None takes all.
        image_size: Height and width in pixels to which the images of a folder are resized; not read for other sources.
        split_seed: Seed of the random split. Runs with equal seeds hold the same images out of the training.

    Raises:
        ValueError: If the data are missing, an image or label cannot be read, there are fewer than 50 training images,
            or all of them are of one class.
    """
    if source == EMBEDDED:
        return _split_test(_digits(), limit, 10, split_seed)
    folder = Path(source)
    if (folder / "train.parquet").is_file():
        return _parquet(folder, limit, split_seed)
    if folder.is_dir() and any(path.is_dir() for path in folder.iterdir()):
        images, classes = _image_folder(folder, image_size)
        return _split_test(images, limit, classes, split_seed)
    raise ValueError(
        f"no data at {source!r}: expected 'digits', a folder with train.parquet, or one with a sub-folder per class"
    )


def _digits() -> ImageSet:
    """The digits, from a file of scikit-learn with a row for each image: 64 pixels from 0 to 16, and the label.

    The import of `sklearn.datasets` takes a second in every worker, so it is used only if the file is not found.
    """
    package = find_spec("sklearn")
    folders = [] if package is None else package.submodule_search_locations or []
    files = [Path(folder) / "datasets" / "data" / "digits.csv.gz" for folder in folders]
    if any(file.is_file() for file in files):
        rows = np.loadtxt(next(file for file in files if file.is_file()), delimiter=",")
    else:
        from sklearn.datasets import load_digits

        rows = np.column_stack(load_digits(return_X_y=True))
    pixels = torch.from_numpy(np.rint(rows[:, :-1] * (255 / 16)).astype(np.uint8))
    return ImageSet(pixels.view(-1, 1, 8, 8), torch.from_numpy(rows[:, -1].astype(np.int64)))


def _parquet(folder: Path, limit: int | None, split_seed: int) -> ImageData:
    """The images of a folder with Parquet files, whose test set is the second file."""
    train, test = _parquet_file(folder / "train.parquet", limit), _parquet_file(folder / "test.parquet", None)
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    data = _split_validation(train, test, limit, classes, split_seed)
    if classes > len(data.train):  # every class costs memory, even without images
        raise ValueError(
            f"labels in {folder} must lie below the number of training images, {len(data.train)}, got {classes - 1}; "
            "renumber them from 0 or, where data.limit cuts images off, raise it"
        )
    return data


def _parquet_file(path: Path, limit: int | None) -> ImageSet:
    """The first `limit` images of a Parquet file with columns `image` and `label`, all of one size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise ValueError(f"{path} is missing; data in Parquet files are a train.parquet and a test.parquet")
    try:
        table = pq.read_table(path, columns=["image", "label"]).slice(0, limit)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} must be a Parquet file with columns image and label: {reason}") from error
    pixels = [_pixels(row, f"{path} row {number}") for number, row in enumerate(table["image"].to_pylist())]
    labels = _labels(table["label"], path)
    if not pixels:
        raise ValueError(f"{path} holds no images")
    if len({image.shape for image in pixels}) != 1:
        raise ValueError(f"all images of {path} must have one size; resize them first")
    return ImageSet(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2), torch.from_numpy(labels))


def _labels(column: pa.ChunkedArray, path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """A column of labels as class indices, shape (n,); raises ValueError for missing, negative and other values."""
    import pyarrow as pa

    rule = f"{path} column label must hold class numbers from 0"
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise ValueError(f"{rule}, got none in row {row}; remove the row, or give it a label")
    if not pa.types.is_integer(column.type) and len(column):
        raise ValueError(f"{rule}, got type {column.type}")
    labels = column.to_numpy()
    if len(labels) and labels.min() < 0:
        raise ValueError(f"{rule}, got {labels.min()}; renumber them from 0")
    if len(labels) and labels.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{rule}, got {labels.max()}; renumber them from 0")
    return labels.astype(np.int64)


def _image_folder(folder: Path, image_size: int) -> tuple[ImageSet, int]:
    """The images of all sub-folders, and the number of sub-folders, each of which is a class."""
    pixels, labels = [], []
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    for label, path in enumerate(classes):
        for file in sorted(entry for entry in path.iterdir() if entry.is_file()):
            pixels.append(_pixels(file.read_bytes(), str(file), image_size))
            labels.append(label)
    if not pixels:
        raise ValueError(f"the sub-folders of {folder} hold no images")
    return ImageSet(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2), torch.tensor(labels)), len(classes)


def _pixels(encoded: object, where: str, side: int | None = None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """An encoded image as colour pixels, shape (height, width, 3), resized to a side if one is given."""
    try:
        if not isinstance(encoded, bytes):
            raise OSError(f"got {type(encoded).__name__}, not bytes")
        with Image.open(io.BytesIO(encoded)) as image:
            colour = image.convert("RGB")
            return np.asarray(colour.resize((side, side)) if side else colour)
    except UnidentifiedImageError as error:
        raise ValueError(f"{where} is not a readable image, such as JPEG or PNG") from error
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"{where} is not a readable image: {error}") from error


def _split_test(images: ImageSet, limit: int | None, classes: int, split_seed: int) -> ImageData:
    """Splits off a random fifth of every class for testing; the rest is for training and validation."""
    test, seen = _held_out(images, split_seed)
    return _split_validation(seen, test, limit, classes, split_seed)


def _split_validation(seen: ImageSet, test: ImageSet, limit: int | None, classes: int, split_seed: int) -> ImageData:
    """Splits a random fifth of every class of the first `limit` images off for validation."""
    validation, train = _held_out(seen.take(slice(0, limit)), split_seed)
    if len(train) < _FEWEST:
        raise ValueError(f"a data set must leave {_FEWEST} or more training images, got {len(train)}")
    if len(train.labels.unique()) < 2:
        raise ValueError(
            f"the training images must be of 2 or more classes, got only class {int(train.labels[0])}; "
            "add images of another class or, where data.limit cuts one off, raise it"
        )
    return ImageData(train, validation, test, classes)


def _held_out(images: ImageSet, split_seed: int) -> tuple[ImageSet, ImageSet]:
    """A random fifth of the images, with the shares of the classes kept up to rounding, and the remaining images."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(split_seed))
    shuffled = images.take(order)
    rank = torch.empty(len(images))  # position of an image within its class, from 0 to 1: the lowest fifth is held out
    for label in shuffled.labels.unique():
        members = shuffled.labels == label
        count = int(members.sum())
        rank[members] = (torch.arange(count) + 0.5) / count
    first = int(len(images) * _HELD_OUT)
    by_rank = rank.argsort(stable=True)
    return shuffled.take(by_rank[:first].sort().values), shuffled.take(by_rank[first:].sort().values)


@lru_cache(maxsize=1)
def _loaded(data: DataSource) -> ImageData:
    images = load_images(data.source, data.limit, data.image_size, data.split_seed)
    stated = data.normalization
    if stated is not None and len(stated.mean) != images.channels:
        raise ValueError(f"mean and std must have one value per channel, {images.channels}, got {len(stated.mean)}")
    return replace(images, stated=stated)
