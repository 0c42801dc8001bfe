"""Packed codes are the codes, in no more bits than they differ in."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nas.export.packed_codes import CodeForm, pack, split_planes


def unpack(numbers: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """The numbers of some bits in bytes, by numpy's own order of bits."""
    bits = np.unpackbits(numbers, bitorder="little").reshape(-1, width)
    return np.packbits(bits, axis=1, bitorder="little")[:, 0]


@pytest.mark.parametrize("bits", range(1, 8))
@pytest.mark.parametrize("shift", [0, 1])
def test_planes_hold_the_codes(bits: int, shift: int) -> None:
    middle = 2 ** (bits - 1)
    codes = (np.random.default_rng(0).integers(-middle, middle, (8, 3, 4)) << shift).astype(np.int8)
    codes[0, 0, 0] = -middle << shift  # the least code needs all bits, and an odd one stands for no further shift
    codes[0, 0, 1] = (middle - 1) << shift
    form = CodeForm.find(codes)
    assert form == CodeForm(bits, shift)
    indices = form.index(codes).ravel()
    assert np.array_equal(form.values[indices], codes.ravel())
    joined = np.zeros(len(indices), np.uint8)
    planes = split_planes(indices, form)
    for width in form.planes:
        packed = pack(planes[width], width)
        assert packed.nbytes == len(indices) * width // 8
        joined = joined << width | unpack(packed, width)
    assert np.array_equal(joined, indices)
    assert sum(form.planes) == bits


def test_codes_of_zero_take_one_bit_each() -> None:
    form = CodeForm.find(np.zeros((2, 3), np.int8))
    assert form.bits == 1
    assert not form.values[form.index(np.zeros(6, np.int8))].any()


@pytest.mark.parametrize("code", [-128, 65, 127])
def test_wide_codes_need_all_eight_bits(code: int) -> None:
    assert CodeForm.find(np.array([code, 1], np.int8)).bits == 8
