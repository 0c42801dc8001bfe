"""Weight codes of few bits as a file keeps them: without gaps between the bits of one code and those of the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTHS = (4, 2, 1)  # of planes, in bits: of these numbers, a byte holds several whole ones
MULTIPLE = 8  # codes are filled up to a multiple of so many, with which the planes of every width end at a whole byte

Bytes = NDArray[np.uint8]
Codes = NDArray[np.int8]


@dataclass(frozen=True, order=True)
class CodeForm:
    """Which signed 8-bit codes a tensor may have: each is `(index - 2**(bits - 1)) * 2**shift`.

    Attributes:
        bits: Bits of an index, from 1 to 8.
        shift: Number of lowest bits that are 0 in all codes.
    """

    bits: int
    shift: int

    @classmethod
    def find(cls, codes: Codes) -> CodeForm:
        """The form of the fewest bits that some codes have, which may be of any shape, but not empty."""
        used = int(np.bitwise_or.reduce(codes, axis=None))
        shift = (used & -used).bit_length() - 1 if used else 0
        numbers = codes.astype(np.int16) >> shift
        reach = max(int(numbers.max()), -1 - int(numbers.min()))
        return cls(reach.bit_length() + 1, shift)

    @property
    def values(self) -> Codes:
        """The code of each index, shape (2**bits,)."""
        middle = 2 ** (self.bits - 1)
        return (np.arange(-middle, middle) << self.shift).astype(np.int8)

    @property
    def planes(self) -> tuple[int, ...]:
        """The widths of planes that hold an index together, from 1 to 7 bits; the one of the highest bits is first."""
        return tuple(width for width in WIDTHS if self.bits & width)

    def index(self, codes: Codes) -> Bytes:
        """The index of each code, in its shape."""
        return ((codes.astype(np.int16) >> self.shift) + 2 ** (self.bits - 1)).astype(np.uint8)


def split_planes(indices: Bytes, form: CodeForm) -> dict[int, Bytes]:
    """The bits of each plane of some indices, by the width of the plane; each has the shape of the indices.

    Args:
        indices: Indices of codes, of any shape.
        form: The form of the codes.
    """
    planes, low = {}, form.bits
    for width in form.planes:
        low -= width
        planes[width] = indices >> low & 2**width - 1
    return planes


def pack(numbers: Bytes, width: int) -> Bytes:
    """Puts numbers of few bits into bytes, the first into the lowest bits, as ONNX stores its types of 4 and 2 bits.

    Args:
        numbers: Numbers that fill a whole number of bytes, shape (numbers,).
        width: Bits of a number: 4, 2 or 1.
    """
    parts = numbers.reshape(-1, 8 // width) << np.arange(0, 8, width, dtype=np.uint8)
    packed: Bytes = np.bitwise_or.reduce(parts, axis=1)
    return packed
