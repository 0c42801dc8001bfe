"""What is no file of bounded size is refused at once, and never waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hardware.input_file import read_input, read_text


def test_text_is_read_with_a_byte_order_mark_or_without(tmp_path: Path) -> None:
    for content in (b"name\xc3\xa9\n", b"\xef\xbb\xbfname\xc3\xa9\n"):
        (tmp_path / "a.csv").write_bytes(content)
        assert read_text(tmp_path / "a.csv") == "nameé\n"
    (tmp_path / "a.csv").write_bytes(b"name\xe9\n")
    with pytest.raises(ValueError, match=r"a\.csv must be text in UTF-8, got the byte 0xe9 at 4"):
        read_text(tmp_path / "a.csv")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (("pipe", "a pipe or a device"), ("", "a folder")):
        with pytest.raises(ValueError, match=f"must be a file, got {kind}"):
            read_input(tmp_path / name)
    with pytest.raises(FileNotFoundError) as missing:
        read_input(tmp_path / "nope")
    assert missing.value.filename == str(tmp_path / "nope")


def test_a_file_beyond_its_bound_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match="has 1,099,511,627,776 bytes; a file of its kind has 1,000 at most"):
        read_input(tmp_path / "sparse", 1000)
