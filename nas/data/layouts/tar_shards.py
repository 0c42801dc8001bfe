"""WebDataset's shards: tar files in which the members of a sample follow each other and share a name.

An index of offsets is made when they are listed; then any member is read by its offset. Names of members are labels in
messages and never become paths.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.decoding.decoder import Stored
from nas.data.layouts.class_folders import IMAGE_SUFFIXES
from nas.data.layouts.columns import LABELS, UNLABELLED, combine_labels, name_outputs, parse_cells
from nas.data.layouts.joined_records import JoinedRecords
from nas.data.layouts.layout import Layout
from nas.data.layouts.records import Records, StoredSplits
from nas.data.layouts.split_files import find_split_files, list_files
from nas.data.layouts.tar_index import Member, read_samples
from nas.data.reading import Columns
from nas.tasks.task import RawLabels
from search_spaces.quoting import describe_error, list_names

_SUFFIXES = (".tar",)
_COMPRESSED = (".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")
_LABELS = ("cls", "json", "txt")  # ends of the names of members with labels; the first that is there counts
_MOST_LABEL_BYTES = 1 << 20


class TarShards(Layout):
    """`train-000000.tar` and so on, with members KEY.jpg and KEY.cls, KEY.txt or KEY.json."""

    expected = "a folder with WebDataset shards such as train-000000.tar"

    def recognizes(self, path: Path) -> bool:
        """Whether there is a tar file, compressed or not."""
        return bool(list_files(path, (*_SUFFIXES, *_COMPRESSED)))

    def read(self, path: Path, columns: Columns) -> StoredSplits:
        """Makes the index of all shards, and reads the labels."""
        if compressed := list_files(path, _COMPRESSED):
            raise ValueError(
                f"tar shards must not be compressed, as samples are read in any order, got {compressed[0]}; decompress "
                "it (gunzip or the like), as images hardly shrink by it"
            )
        found = find_split_files(path, _SUFFIXES)
        parts = {name: [_read_shard(file, columns) for file in files] for name, files in found.files.items()}
        texts = [text for shards in parts.values() for shard in shards for text in shard.labels.values]
        labels = iter(parse_cells(texts, str(path)) if all(isinstance(text, str) for text in texts) else texts)
        records: dict[str, Records] = {}
        for name, shards in parts.items():
            done = tuple(_relabel(shard, [next(labels) for _ in range(len(shard))]) for shard in shards)
            records[name] = done[0] if len(done) == 1 else JoinedRecords(done)
        return StoredSplits.of(records, names=name_outputs(columns.labels), notes=found.notes)


@dataclass(frozen=True)
class TarRecords(Records):
    """The samples of a tar file.

    Attributes:
        path: The file.
        offsets: Where the input of each sample begins in the file, int64, shape (n,).
        sizes: Sizes of the inputs in bytes, int64, shape (n,).
        labels: The label of each sample.
        text: Whether inputs are texts.
    """

    path: Path
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    labels: RawLabels
    text: bool = False

    @property
    def files(self) -> tuple[Path, ...] | None:
        """The file."""
        return (self.path,)

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The contents of members."""
        found: list[Stored] = []
        for row in rows:
            content = _read_at(self.path, int(self.offsets[row]), int(self.sizes[row]))
            found.append(_decode(content, self.where(row)) if self.text else content)
        return found


@dataclass(frozen=True)
class _Keys:
    """The places of samples."""

    path: Path
    keys: tuple[str, ...]

    def __call__(self, row: int) -> str:
        return f"{self.path} sample {self.keys[row]}"


def _read_shard(path: Path, columns: Columns) -> TarRecords:
    """The samples of a shard, with the texts of their labels."""
    keys, offsets, sizes, labels = list[str](), list[int](), list[int](), list[Any]()
    for key, members in read_samples(path):
        where = f"{path} sample {key}"
        image = _choose_input(members, columns, where)
        keys.append(key)
        offsets.append(image.offset)
        sizes.append(image.size)
        labels.append(_read_label(path, members, columns, where))
    if not keys:
        raise ValueError(f"{path} holds no samples, such as members 0001.jpg and 0001.cls")
    place = _Keys(path, tuple(keys))
    raw = RawLabels(labels, place, str(path))
    return TarRecords(path, np.array(offsets, np.int64), np.array(sizes, np.int64), raw, columns.text)


def _choose_input(members: Mapping[str, Member], columns: Columns, where: str) -> Member:
    """The member that is the input of a sample."""
    if columns.inputs is not None:
        found = [columns.inputs] if columns.inputs in members else []
    elif columns.text:
        found = [end for end in members if end == "txt"]
    else:
        found = [end for end in members if f".{end.rpartition('.')[2]}" in IMAGE_SUFFIXES]
    if len(found) != 1:
        what = f".{columns.inputs}" if columns.inputs else ".txt" if columns.text else "such as .jpg"
        raise ValueError(
            f"{where} must have one input, {what}, got {list_names([f'.{end}' for end in found or members])}; "
            "data.input_column names the end that counts"
        )
    return members[found[0]]


def _read_label(path: Path, members: Mapping[str, Member], columns: Columns, where: str) -> Any:
    """The label of a sample: the text of a member, or a value of its JSON."""
    if not columns.labelled:
        return UNLABELLED
    if columns.labels and all(name in members for name in columns.labels):
        return combine_labels([[_read_text(path, members[name], where).strip()] for name in columns.labels], 1)[0]
    ends = [end for end in _LABELS if end in members and not (columns.text and end == "txt")]
    if columns.labels and "json" not in ends:
        raise ValueError(f"{where} has no member .{columns.labels[0]} (data.label_column), but {', '.join(members)}")
    if not ends:
        raise ValueError(
            f"{where} must have a label, .cls, .json or .txt, got only {', '.join(f'.{end}' for end in members)}"
        )
    end = "json" if columns.labels else ends[0]
    text = _read_text(path, members[end], where)
    return _find_value(text, columns, where) if end == "json" else text.strip()


def _find_value(text: str, columns: Columns, where: str) -> Any:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} has damaged JSON: {describe_error(error)}") from error
    if not isinstance(content, dict):
        return content
    names = columns.labels or tuple(name for name in LABELS if name in content)[:1]
    missing = [name for name in names if name not in content]
    if missing or not names:
        raise ValueError(
            f"{where} must have {missing[0] if missing else 'label'} in its JSON, or data.label_column names it; it "
            f"has {', '.join(map(str, list(content)[:10]))}"
        )
    return combine_labels([[content[name]] for name in names], 1)[0]


def _read_text(path: Path, member: Member, where: str) -> str:
    if not member.size <= _MOST_LABEL_BYTES:
        raise ValueError(f"{where} has a label of {member.size:,} bytes; {_MOST_LABEL_BYTES:,} are the most")
    return _decode(_read_at(path, member.offset, member.size), where)


def _decode(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} must be text in UTF-8: {describe_error(error)}") from error


def _relabel(shard: TarRecords, values: list[Any]) -> TarRecords:
    labels = RawLabels(values, shard.labels.where, shard.labels.source)
    return TarRecords(shard.path, shard.offsets, shard.sizes, labels, shard.text)


def _read_at(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        content = os.pread(file.fileno(), size, offset)
    if len(content) < size:
        raise ValueError(f"{path} has been changed or cut since it was listed: it ends before byte {offset + size:,}")
    return content
