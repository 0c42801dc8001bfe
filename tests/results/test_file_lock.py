"""Locks harm no file, and say so where there are none."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest
from filelock import Timeout

from results.file_lock import hold_lock


def test_a_lock_is_held_once_and_its_file_stays_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("somebody's")
    with hold_lock(path):
        inode = path.stat().st_ino
        with pytest.raises(Timeout), hold_lock(path):
            pass
    with hold_lock(path):
        pass
    assert (path.read_text(), path.stat().st_ino) == ("somebody's", inode)


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("content")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(ValueError, match="lock is a symbolic link; delete that link"), hold_lock(tmp_path / "lock"):
        pass
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    with pytest.raises(ValueError, match="dangling is a symbolic link"), hold_lock(tmp_path / "dangling"):
        pass
    assert (tmp_path / "precious").read_text() == "content"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_one_line(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    reason = rf"{tmp_path} cannot be locked \({os.strerror(number)}\).* take a folder \(--runs, --database\) on a local"
    with pytest.raises(ValueError, match=reason), hold_lock(tmp_path / "lock"):
        pass


def test_what_fails_under_a_lock_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="its own"), hold_lock(tmp_path / "lock"):
        raise OSError("its own")
