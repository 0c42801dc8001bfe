"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from nas.memory import release_memory

STATUS = Path("/proc/self/statm")


@pytest.mark.skipif(
    not (STATUS.exists() and hasattr(ctypes.CDLL(None), "malloc_trim")), reason="another C library keeps nothing"
)
def test_what_lies_between_blocks_in_use_is_given_back() -> None:
    def resident_bytes() -> int:
        return int(STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    blocks = [bytes(65_536) for _ in range(2000)]  # below the size at which the library maps memory of its own
    del blocks[1:-1]
    before = resident_bytes()
    release_memory()
    assert before - resident_bytes() > 80_000_000  # of 131 MB
    assert len(blocks) == 2
