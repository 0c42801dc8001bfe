"""Files that a user hands over: read whole, within bounds, and only if they are files.

Independent of their formats.
"""

from __future__ import annotations

from pathlib import Path

from search_spaces.file_kind import find_file_kind

MOST_BYTES = 256 << 20  # a hundred times the largest table that anyone has published


def read_input(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a file.

    A folder, a pipe or a device is refused before it is opened: to read one may wait for ever, or never end.

    Args:
        path: The file.
        most_bytes: The most bytes that a file of its kind has; a larger one is refused unread.

    Raises:
        OSError: If there is no such file, or it cannot be read.
        ValueError: If it is no regular file, or too large.
    """
    found = path.stat()
    if (kind := find_file_kind(found)) != "a file":
        raise ValueError(f"{path} must be a file, got {kind}; write what it holds to a file, and name that")
    if not found.st_size <= most_bytes:
        raise ValueError(f"{path} has {found.st_size:,} bytes; a file of its kind has {most_bytes:,} at most")
    with path.open("rb") as file:
        try:
            return file.read(most_bytes + 1)  # no more, should it grow meanwhile
        except OSError as error:  # of a disk or a server, which knows no names
            raise OSError(error.errno, error.strerror, str(path)) from error


def read_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """The content of a file of text in UTF-8, with or without a byte-order mark.

    Args:
        path: The file.
        most_bytes: As of `read_input`.

    Raises:
        OSError: If there is no such file, or it cannot be read.
        ValueError: If it is no regular file, too large, or no text in UTF-8.
    """
    try:
        return read_input(path, most_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be text in UTF-8, got the byte {error.object[error.start]:#04x} at {error.start}"
        ) from error
