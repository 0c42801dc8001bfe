"""Every form of input that users hand over, mutated: each ends as right input or in one clear line, and soon.

`NAS_FUZZ` multiplies the number of tries, which take a quarter of a minute; `benchmarks/fuzz.py` makes thousands.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from formats.registry import FORMATS
from fuzzer import SOUND, fuzz

TRIES = int(40 * float(os.environ.get("NAS_FUZZ", "1")))


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_input_is_right_or_refused_in_one_clear_line(name: str, tmp_path: Path) -> None:
    form = FORMATS[name]
    whole, *tried = fuzz(form, [None, *range(max(3, int(TRIES * form.weight)))], tmp_path / name)
    assert whole.outcome == "accepted", whole
    assert [one for one in tried if one.outcome not in SOUND] == []
    assert any(one.outcome == "refused" for one in tried)
