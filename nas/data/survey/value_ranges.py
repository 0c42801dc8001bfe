"""Which part of their range the values of 16-bit and floating-point images use: a small part comes out dark."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.decoding.decoder import Stored
from nas.data.decoding.image_decoder import MOST_PIXELS, open_header
from nas.data.survey.headers import Header

_MOST_LOOKED_AT = 256  # images of each kind whose values are read
_LEAST_USED = 0.5  # part of the range that the brightest value reaches; 12 bits in 16 reach a sixteenth
_DEEP = {"I;16", "I;16B", "I;16L", "I;16N", "I", "F", "uint16", "float16", "float32", "float64"}  # modes and types


class UsedRanges:
    """Collects the values that images of more than 8 bits use.

    Args:
        stated: What is black and what is white, by the job; then nothing is to be said.
    """

    def __init__(self, stated: tuple[float, float] | None) -> None:
        self._stated = stated
        self._found: dict[str, tuple[int, float, float]] = {}

    def add(self, stored: Stored, header: Header, where: str) -> None:
        """Looks at an image, if it is one of the first of its kind.

        Args:
            stored: The image as it is stored.
            header: Its header.
            where: Its place, for messages.
        """
        kind = header.kind
        if self._stated is not None or _DEEP.isdisjoint(kind.split()) or header.width * header.height > MOST_PIXELS:
            return
        count, low, high = self._found.get(kind, (0, np.inf, -np.inf))
        if count < _MOST_LOOKED_AT:
            values = _read_values(stored, where)
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        self._found[kind] = (count + 1, low, high)

    def describe(self) -> list[str]:
        """A line for each kind that uses less than half of its range."""
        lines = []
        for kind, (count, low, high) in self._found.items():
            whole = 1.0 if "float" in kind or kind.endswith(" F") else 65535.0
            if high < _LEAST_USED * whole:
                lines.append(
                    f"{count:,} images ({kind}) use {low:g} to {high:g} of 0 to {whole:g}, so they come out dark; "
                    "state what is black and what is white as data.value_range"
                )
        return lines


def _read_values(stored: Stored, where: str) -> NDArray[Any]:
    """The values of an image, not scaled."""
    if isinstance(stored, np.ndarray):
        return stored
    try:
        with open_header(stored) as image:
            return np.asarray(image)
    except Exception as error:  # formats raise errors of many kinds for damaged files
        raise ValueError(f"{where} is not a readable image, such as PNG or TIFF") from error
