"""What lies at a path that is to be read: a file, or what may be read for ever."""

from __future__ import annotations

import os
import stat
from typing import Literal

FileKind = Literal["a file", "a folder", "a pipe or a device"]


def find_file_kind(found: os.stat_result) -> FileKind:
    """The kind of what lies at a path, in the words of an error.

    Only a file can be read whole: a folder cannot be opened, and to read a pipe or a device may wait for ever, or never
    end.

    Args:
        found: What `Path.stat` says of it, which looks through links.
    """
    if stat.S_ISREG(found.st_mode):
        return "a file"
    return "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
