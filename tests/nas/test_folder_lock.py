"""A folder is changed by one process at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.folder_lock import folder_lock


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.folder_lock._ENDING_S", 0.5)  # as long as it waits for a process that ends
    with folder_lock(tmp_path), pytest.raises(ValueError, match="another process works in"), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        pass
