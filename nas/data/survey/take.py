"""Takes the survey of a data set: one pass over the samples as they are stored, or what an earlier pass has found."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardware.input_file import read_text
from nas.data.inputs import HASH_BYTES, hash_content, hash_stored
from nas.data.layouts.records import Records
from nas.data.sources import Arrangement, DataSource
from nas.data.survey.headers import read_header
from nas.data.survey.repetitions import HashedSplit, find_repetitions
from nas.data.survey.survey import Outputs, Survey
from nas.data.survey.value_ranges import UsedRanges
from nas.files import atomic_write

SPLITS = ("train", "validation", "test")
_CHUNK = 256  # samples of which the stored form is in memory at a time
_MOST_BYTES = 64 << 20  # of a survey that is kept


def take_survey(source: DataSource, folder: Path) -> Survey:
    """The survey of the samples that a job takes.

    It is kept in a folder, and read from there as long as no file of the data changes.

    Args:
        source: The data set.
        folder: Where surveys are kept.

    Raises:
        ValueError: If the data cannot be read, or half or more of the validation or test samples are training samples.
    """
    arranged = source.arrange()
    files = [records.files for records in _list_records(arranged)]
    if None in files:
        return _survey(source, arranged)  # in memory, or of a user's code, whose files nobody knows
    kept = folder / f"survey-{_find_key(arranged.source, chain.from_iterable(part or () for part in files))}.json"
    if (found := _read_kept(kept)) is not None:
        return found
    survey = _survey(source, arranged)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(kept) as draft:
        draft.write_text(json.dumps(survey.to_json()))
    return survey


@dataclass(frozen=True)
class _Headers:
    """What one pass over records has found.

    Attributes:
        rows: The rows of the records that were read, int64, shape (n,), in ascending order.
        sizes: Width and height of each sample, int32, shape (n, 2).
        hashes: Hash of the content of each sample, uint8, shape (n, 16).
        kinds: Number of samples of each format and mode.
    """

    rows: NDArray[np.int64]
    sizes: NDArray[np.int32]
    hashes: NDArray[np.uint8]
    kinds: Counter[str]

    def find_hashes(self, rows: Tensor) -> NDArray[np.uint8]:
        """The hashes of the samples at rows of the records, int64 of shape (k,)."""
        return self.hashes[np.searchsorted(self.rows, rows.numpy())]


def _survey(source: DataSource, arranged: Arrangement) -> Survey:
    ranges = UsedRanges(source.reading.value_range)
    headers = {
        id(records): _read_headers(records, _list_rows(arranged, records), ranges)
        for records in _list_records(arranged)
    }
    sizes = np.concatenate([found.sizes for found in headers.values()])
    kinds = sum((found.kinds for found in headers.values()), Counter[str]())
    hashes = {name: headers[id(records)].find_hashes(rows) for name, (records, rows, _) in arranged.parts.items()}
    hashed = {
        name: HashedSplit(records, rows, labels, _shorten(hashes[name]))
        for name, (records, rows, labels) in arranged.parts.items()
    }
    width, height = (int(value) for value in np.median(sizes, axis=0))
    return Survey(
        arranged.names,
        {name: _describe_labels(arranged.parts[name][2], len(arranged.names)) for name in SPLITS},
        (int(sizes[:, 0].min()), int(sizes[:, 1].min())),
        (width, height),
        (int(sizes[:, 0].max()), int(sizes[:, 1].max())),
        len(np.unique(sizes, axis=0)),
        int((sizes[:, 0] != sizes[:, 1]).sum()),
        dict(kinds.most_common()),
        {name: hash_content(hashes[name]) for name in SPLITS},
        (*arranged.stored.notes, *ranges.describe(), *find_repetitions(hashed)),
    )


def _read_headers(records: Records, rows: NDArray[np.int64], ranges: UsedRanges) -> _Headers:
    count = len(rows)
    sizes, kinds = np.empty((count, 2), np.int32), Counter[str]()
    hashes = np.empty((count, HASH_BYTES), np.uint8)
    for start in range(0, count, _CHUNK):
        chunk = rows[start : start + _CHUNK].tolist()
        for number, stored in enumerate(records.read(chunk), start):
            where = records.where(int(rows[number]))
            header = read_header(stored, where)
            sizes[number], kinds[header.kind] = (header.width, header.height), kinds[header.kind] + 1
            hashes[number] = np.frombuffer(hash_stored(stored), np.uint8)
            ranges.add(stored, header, where)
    return _Headers(rows, sizes, hashes, kinds)


def _shorten(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The first 64 bits of each hash, which are enough to find samples that are equal."""
    return np.ascontiguousarray(hashes[:, :8]).view(np.uint64)[:, 0]


def _describe_labels(labels: Tensor, outputs: int) -> Outputs:
    if not labels.numel():
        return Outputs(len(labels))
    if labels.ndim == 1 and not labels.is_floating_point():
        return Outputs(len(labels), tuple(torch.bincount(labels, minlength=outputs).tolist()))
    values = labels.double().reshape(len(labels), -1)
    if bool(((values == 0) | (values == 1)).all()):
        return Outputs(len(labels), tuple(values.sum(0).long().tolist()))
    found = zip(values.amin(0).tolist(), values.mean(0).tolist(), values.amax(0).tolist(), strict=True)
    return Outputs(len(labels), ranges=tuple(found))


def _list_records(arranged: Arrangement) -> list[Records]:
    """The different records of the splits, in their order."""
    found: Mapping[int, Records] = {id(records): records for records, _, _ in arranged.parts.values()}
    return [*found.values()]


def _list_rows(arranged: Arrangement, records: Records) -> NDArray[np.int64]:
    """The rows of records that are of any split, in ascending order."""
    rows = [picked for one, picked, _ in arranged.parts.values() if one is records]
    return np.unique(torch.cat(rows).numpy())


def _find_key(source: DataSource, files: Iterable[Path]) -> str:
    """A digest of how samples are read, and of names, sizes and times of change of their files."""
    digest = hashlib.sha256(f"{version('nas')}{source!r}".encode())
    for file in files:
        found = file.stat()
        digest.update(f"{file}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _read_kept(path: Path) -> Survey | None:
    """A survey that was kept; None if there is none, or it is damaged and so is taken again."""
    try:
        return Survey.from_json(json.loads(read_text(path, _MOST_BYTES)))
    except (OSError, ValueError, RecursionError):
        return None
