"""The package of what is sent to a cluster: an archive of exactly what lies on the disk.

Ray packs a folder by rules: it leaves out what files called `.gitignore` and `.rayignore` name, and folders such as
`.git`. An archive it sends as it is.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from search_spaces.file_kind import find_file_kind

LIMIT = (
    100 * 1024**2
)  # bytes that Ray's dashboard takes at once (`ray._private.ray_constants.DASHBOARD_CLIENT_MAX_SIZE`)
_PER_FILE = 76  # bytes of an archive for each file, besides its content and twice its name
_FOR_TEXTS = 1 << 20  # more bytes than the texts of a package have
_OWNER_ONLY = stat.S_IFREG | 0o600


@dataclass(frozen=True)
class _Entry:
    """A file of the archive, or an empty folder; its name there, and where it lies."""

    name: str
    path: Path
    mode: int
    size: int


def write_package(target: Path, texts: Mapping[str, str], files: Mapping[str, Path]) -> None:
    """Writes an archive; equal content gives equal bytes, whatever the times of the files.

    Links are followed, modes kept, and empty folders stored.

    Args:
        target: The archive, a zip file, that is written.
        texts: Texts by their names in the archive, where only the owner may read them.
        files: Files and folders by their names in the archive.

    Raises:
        ValueError: If the archive would have more than `LIMIT` bytes, which is known before any is written, or
            something in a folder cannot be sent: what is neither file nor folder, a link to nothing or to a folder that
            it lies in, or a name that Ray would not unpack.
        OSError: If a file cannot be read.
    """
    entries = _list_entries(files)
    with ZipFile(target, "w") as archive:
        for name, text in texts.items():
            archive.writestr(_info(name, _OWNER_ONLY), text)
        for entry in entries:
            if stat.S_ISDIR(entry.mode):
                archive.writestr(_info(entry.name, entry.mode), "")
                continue
            with entry.path.open("rb") as source, archive.open(_info(entry.name, entry.mode), "w") as place:
                shutil.copyfileobj(source, place)


def _info(name: str, mode: int) -> ZipInfo:
    info = ZipInfo(name)  # of a fixed date
    info.external_attr = mode << 16
    return info


def _list_entries(files: Mapping[str, Path]) -> list[_Entry]:
    """All files and empty folders; none beyond those that are too large already."""
    entries, size = [], _FOR_TEXTS
    for name, path in files.items():
        for entry in _walk(name, path):
            entries.append(entry)
            size += entry.size + _PER_FILE + 2 * len(entry.name.encode())
            if not size <= LIMIT:
                raise ValueError(
                    f"a Ray dashboard takes {LIMIT >> 20} MiB of files at once, and with {path} there is more to be "
                    "sent; put it where the cluster sees it at the same path, and leave out --ship-data or, where it "
                    "is not the images, add --shared-files"
                )
    return entries


def _walk(name: str, path: Path) -> Iterator[_Entry]:
    """The files and empty folders below a path, in order of their names."""
    waiting: list[tuple[str, Path, frozenset[tuple[int, int]]]] = [(name, path, frozenset())]
    while waiting:
        name, path, above = waiting.pop()
        if path.is_symlink() and not path.exists():
            raise ValueError(f"{path} is to be sent to the cluster and is a link to nothing; delete it or mend it")
        if "\\" in name or not _is_text(name):
            raise ValueError(f"{str(path)!r} is to be sent to the cluster, and Ray unpacks no such name; rename it")
        found = path.stat()
        kind, identity = find_file_kind(found), (found.st_dev, found.st_ino)
        if kind == "a file":
            yield _Entry(name, path, found.st_mode, found.st_size)
        elif kind != "a folder":
            raise ValueError(f"{path} is to be sent to the cluster and is {kind}; take it away")
        elif identity in above:
            raise ValueError(
                f"{path} is to be sent to the cluster and is a link to a folder that it lies in; delete it"
            )
        elif children := sorted(path.iterdir(), reverse=True):
            waiting += [(f"{name}/{child.name}", child, above | {identity}) for child in children]
        else:
            yield _Entry(f"{name}/", path, found.st_mode, 0)


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False
