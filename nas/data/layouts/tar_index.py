"""The members of a tar file by sample: where they lie, without their contents."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from search_spaces.quoting import describe_error

_BLOCK = 512  # bytes; a tar file is made of such blocks, and ends with blocks of zeros
_MOST_MEMBER_BYTES = 1 << 30


@dataclass(frozen=True)
class Member:
    """A member of a tar file.

    Attributes:
        offset: Where its content begins in the file.
        size: Size of its content, in bytes.
    """

    offset: int
    size: int


def read_samples(path: Path) -> Iterator[tuple[str, dict[str, Member]]]:
    """The samples of a shard: what their members have in common, and the members by the ends of their names.

    Of `a/0001.left.jpg` the key is `a/0001` and the end `left.jpg`, in lower case. Memory is that of one sample.

    Args:
        path: The shard, which is not compressed.

    Raises:
        ValueError: If it is damaged or cut off, has links or sparse members, or two members of one name.
    """
    key, members = "", dict[str, Member]()
    for name, member in _walk(path):
        pure = PurePosixPath(name)
        base, _, end = pure.name.partition(".")
        if not base or not end:
            continue  # hidden, such as ._0001.jpg of macOS, or without an end, such as README
        found = str(pure.with_name(base))
        if found != key:
            if members:
                yield key, members
            key, members = found, {}
        if end.lower() in members:
            raise ValueError(f"{path} has two members {name}; each may be there once")
        members[end.lower()] = member
    if members:
        yield key, members


def _walk(path: Path) -> Iterator[tuple[str, Member]]:
    """The files of a tar file, checked against its size."""
    size, end = path.stat().st_size, 0
    try:
        with tarfile.open(path, "r:") as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # else it keeps all of them
                end = info.offset_data + -(-info.size // _BLOCK) * _BLOCK if info.isreg() else info.offset_data
                if info.isdir():
                    continue
                if not info.isreg() or info.issparse():
                    raise ValueError(f"{path} must hold plain files, got a link or another kind: {info.name}")
                if not (0 <= info.size <= _MOST_MEMBER_BYTES and info.offset_data + info.size <= size):
                    raise ValueError(
                        f"{path} is cut off or damaged: member {info.name} has {info.size:,} bytes, by its header"
                    )
                yield info.name, Member(info.offset_data, info.size)
    except (tarfile.TarError, EOFError, OverflowError, UnicodeError) as error:
        raise ValueError(f"{path} is not a readable tar file: {describe_error(error)}") from error
    _check_end(path, end)


def _check_end(path: Path, end: int) -> None:
    """Nothing but zeros may follow the last member: what else does is never read."""
    with path.open("rb") as file:
        file.seek(end)
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise ValueError(f"{path} is cut off or damaged: no end of the archive after {end:,} bytes; copy it again")
        while rest := file.read(1 << 20):
            if rest.strip(b"\0"):
                raise ValueError(
                    f"{path} must end after its last member, and more than zeros follow byte {end:,}, as if tar files "
                    "were joined by cat; keep them as files of their own, or join them by tar --concatenate"
                )
