"""Headers of stored samples: sizes, channels and modes, without decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.data.decoding.decoder import Stored
from nas.data.decoding.image_decoder import open_header
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
                header = read_header(stored, records.where(row))
                size = (header.width, header.height)
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


@dataclass(frozen=True)
class Header:
    """What is known of a stored sample without decoding it.

    Attributes:
        width: Width of an image in pixels; number of characters of a text.
        height: Height of an image in pixels; 1 for a text.
        kind: Format and mode, such as `JPEG RGB`, or the type of an array or text.
    """

    width: int
    height: int
    kind: str


def read_header(stored: Stored, where: str) -> Header:
    """The header of a stored sample.

    Args:
        stored: The sample as it is stored.
        where: Its place, for messages.

    Raises:
        ValueError: If it is no image, array or text.
    """
    if isinstance(stored, str):
        return Header(len(stored), 1, "text")
    if isinstance(stored, np.ndarray):
        channels = f" x {stored.shape[2]}" if stored.ndim > 2 else ""
        height, width = stored.shape[:2] if stored.ndim > 1 else (len(stored), 1)
        return Header(int(width), int(height), f"array of {stored.dtype}{channels}")
    try:
        with open_header(stored) as image:
            return Header(*image.size, f"{image.format} {image.mode}")
    except Exception as error:  # formats raise errors of many kinds for damaged headers
        raise ValueError(f"{where} is not a readable image, such as JPEG or PNG") from error
