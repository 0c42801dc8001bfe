"""The size and the channels of stored images, from their headers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image

from nas.data.decoding.decoder import Stored
from nas.data.layouts.records import Records

_CHUNK = 256  # samples that are read at a time


def find_side(splits: Sequence[Records]) -> int:
    """The height and width of all images.

    Raises:
        ValueError: If they differ, or images are not square.
    """
    side = None
    for records in splits:
        for start in range(0, len(records), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(records)))
            for row, stored in zip(rows, records.read(rows), strict=True):
                size = read_size(stored, records.where(row))
                side = side or size[0]
                if size != (side, side):
                    raise ValueError(
                        f"all images must have one size and be square, unless data.image_size states the side to which "
                        f"they are resized; got {side}x{side}, and {size[0]}x{size[1]} in {records.where(row)}"
                    )
    assert side is not None  # there are images
    return side


def find_channels(records: Records) -> int:
    """Number of channels: 3 for encoded images, else that of the first array."""
    first = records.read([0])[0]
    if not isinstance(first, np.ndarray):
        return 3
    return 1 if first.ndim == 2 else int(first.shape[-1])


def read_size(stored: Stored, where: str) -> tuple[int, int]:
    """Width and height of a stored image, in pixels.

    Args:
        stored: The image as it is stored.
        where: Its place, for messages.

    Raises:
        ValueError: If it is no image.
    """
    if isinstance(stored, np.ndarray):
        return (int(stored.shape[1]), int(stored.shape[0])) if stored.ndim > 1 else (1, len(stored))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(stored)) as image:
                return image.size
    except Exception as error:  # formats raise errors of many kinds for damaged headers
        raise ValueError(f"{where} is not a readable image, such as JPEG or PNG") from error
