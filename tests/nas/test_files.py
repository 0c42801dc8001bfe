"""Whole files, and folders held by one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.files import atomic_write, folder_lock


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def write_badly() -> None:
        with atomic_write(file) as draft:
            draft.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_badly()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.files._ENDING_S", 0.5)  # as long as it waits for a process that ends
    with folder_lock(tmp_path), pytest.raises(ValueError, match="another process works in"), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        pass
