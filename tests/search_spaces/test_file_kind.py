"""A file is told from what may be read for ever."""

from __future__ import annotations

import os
from pathlib import Path

from search_spaces.file_kind import find_file_kind


def test_a_file_is_told_from_what_may_be_read_for_ever(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert [find_file_kind((tmp_path / name).stat()) for name in ("file", "link", "", "pipe")] == [
        "a file",
        "a file",
        "a folder",
        "a pipe or a device",
    ]
    assert find_file_kind(Path("/dev/null").stat()) == "a pipe or a device"
