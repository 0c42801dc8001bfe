"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path("/proc/self/statm")
# in a process of its own: what other tests have freed before lies between the blocks, and takes some of them up
FREEING = f"""
import os
from pathlib import Path
from nas.memory import release_memory

def resident_bytes():
    return int(Path("{STATUS}").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

blocks = [bytes(65_536) for _ in range(2000)]  # below the size at which the library maps memory of its own
del blocks[1:-1]
before = resident_bytes()
release_memory()
print(before - resident_bytes())
assert len(blocks) == 2
"""


@pytest.mark.skipif(
    not (STATUS.exists() and hasattr(ctypes.CDLL(None), "malloc_trim")), reason="another C library keeps nothing"
)
def test_what_lies_between_blocks_in_use_is_given_back() -> None:
    ended = subprocess.run([sys.executable, "-c", FREEING], check=True, capture_output=True, text=True)
    assert int(ended.stdout) > 80_000_000  # of 131 MB
