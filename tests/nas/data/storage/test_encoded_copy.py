"""Files whose blocks are too large for the memory are copied, or refused with the way out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nas.data.layouts.parquet import read_parquet
from nas.data.layouts.records import Records
from nas.data.reading import Columns
from nas.data.storage import encoded_copy
from nas.data.storage.cache import Cache
from nas.data.storage.encoded_copy import copy_large_blocks


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    cells = [bytes([number]) * number for number in range(200)]
    pd.DataFrame({"image": cells, "label": [0] * 200}).to_parquet(tmp_path / "a.parquet", row_group_size=150)
    monkeypatch.setattr(encoded_copy, "MOST_BLOCK_BYTES", 100)
    return read_parquet(tmp_path / "a.parquet", Columns())


def test_any_row_of_a_copy_is_read_alone(records: Records, tmp_path: Path) -> None:
    rows = [199, 0, 150, 7, 7]
    for _ in range(2):  # made, then found
        copied = copy_large_blocks(records, Cache(tmp_path / "cache", 10**6))
        assert copied is not records
        assert copied.block_sizes is None
        assert copied.read(rows) == records.read(rows)
        assert copied.where(150) == records.where(150)


def test_without_room_the_way_out_is_told(records: Records, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got .* in .*a\.parquet; write it with smaller .* row_group_size=1000"):
        copy_large_blocks(records, Cache(tmp_path / "cache", 10))
