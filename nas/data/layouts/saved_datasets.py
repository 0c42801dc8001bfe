"""Folders that `save_to_disk` of Hugging Face's `datasets` writes, read by that library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nas.data.decoding.decoder import Stored
from nas.data.layouts.columns import IMAGES, TEXTS, combine_labels, find_columns, name_outputs, refuse_split_column
from nas.data.layouts.layout import Layout
from nas.data.layouts.parquet import take_bytes
from nas.data.layouts.records import Records, StoredSplits
from nas.data.layouts.split_files import SPLITS
from nas.data.reading import Columns
from nas.tasks.task import NumberedPlaces, RawLabels
from search_spaces.quoting import describe_error, quote

_SEVERAL, _ONE = ("dataset_dict.json",), ("state.json", "dataset_info.json")  # files of a DatasetDict, of a Dataset


class SavedDatasets(Layout):
    """What `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote; the library leaves images encoded."""

    expected = "a folder of datasets.save_to_disk"

    def recognizes(self, path: Path) -> bool:
        """Whether the files that the library writes are there."""
        return any(all((path / name).is_file() for name in names) for names in (_SEVERAL, _ONE))

    def read(self, path: Path, columns: Columns) -> StoredSplits:
        """Reads the columns of labels."""
        opened = _load(path)
        parts = opened if isinstance(opened, dict) else {"train": opened}
        named = {SPLITS[name.lower()]: name for name in parts if name.lower() in SPLITS}
        if "train" not in named:
            raise ValueError(f"{path} must have a split train, got {', '.join(parts)}")
        records = {split: _read(path, name, parts[name], columns) for split, name in named.items()}
        skipped = [name for name in parts if name.lower() not in SPLITS]
        notes = (f"left out, as it is no name of a split: {', '.join(skipped)}",) if skipped else ()
        _, labels = _find_columns(path, parts[named["train"]], columns)
        return StoredSplits.of(records, names=_find_names(path, parts[named["train"]], labels), notes=notes)


@dataclass(frozen=True)
class SavedRecords(Records):
    """The samples of a data set that `datasets` reads, which maps its files into memory.

    Attributes:
        path: The folder.
        split: Name of the split there; None if it has none.
        column: The column of inputs.
        labels: The label of each sample.
    """

    path: Path
    split: str
    column: str
    labels: RawLabels

    @property
    def files(self) -> tuple[Path, ...] | None:
        """All files of the folder."""
        return tuple(sorted(file for file in self.path.rglob("*") if file.is_file()))

    def read(self, rows: Sequence[int]) -> list[Stored]:
        """The cells at rows; images as the bytes of their files."""
        opened = _load(self.path)
        part = opened[self.split] if isinstance(opened, dict) else opened
        with _naming_damage(self.path):
            cells = _undecoded(part, self.column).select_columns(self.column)[list(rows)][self.column]
        pairs = zip(rows, cells, strict=True)
        return [take_bytes(cell, self.where(row)) if isinstance(cell, dict) else cell for row, cell in pairs]


@lru_cache(maxsize=2)
def _load(path: Path) -> Any:
    """The data set or the dictionary of splits in a folder."""
    try:
        import datasets
    except ImportError as error:
        raise ValueError(
            f"{path} is a folder of datasets.save_to_disk, which that library reads: "
            "pip install -c constraints.txt -e '.[datasets]'"
        ) from error
    with _naming_damage(path):
        return datasets.load_from_disk(str(path))


@contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    """Names the folder in the errors of the library, which are of many kinds where files are damaged."""
    try:
        yield
    except Exception as error:
        said = describe_error(error)
        raise ValueError(f"{path} is not a readable folder of datasets.save_to_disk: {said}") from error


def _read(path: Path, split: str, part: Any, columns: Columns) -> SavedRecords:
    inputs, names = _find_columns(path, part, columns)
    kind = type(part.features[inputs]).__name__
    stored = getattr(part.features[inputs], "dtype", kind)
    if not (stored in ("string", "large_string") if columns.text else kind == "Image" or "binary" in stored):
        raise ValueError(
            f"column {inputs} of {path} must hold {'texts' if columns.text else 'images'}, got {kind}; "
            "data.input_column names another"
        )
    plain = part.with_format(None)
    refuse_split_column(part.column_names, (inputs, *names), plain.__getitem__, f"{path} {split}")
    with _naming_damage(path):
        table = plain.select_columns(list(names))[:] if names else {}
    labels = combine_labels([table[name] for name in names], len(part))
    if not len(labels):
        raise ValueError(f"{path} has no samples in {split}")
    return SavedRecords(
        path, split, inputs, RawLabels(labels, NumberedPlaces(f"{path} {split} row "), f"{path} {split}")
    )


def _find_columns(path: Path, part: Any, columns: Columns) -> tuple[str, tuple[str, ...]]:
    return find_columns(part.column_names, columns, str(path), TEXTS if columns.text else IMAGES)


def _find_names(path: Path, part: Any, labels: Sequence[str]) -> tuple[str, ...] | None:
    """Names of the outputs: those of several columns of labels, or of the classes of one."""
    feature = part.features[labels[0]] if labels else None
    names = getattr(getattr(feature, "feature", feature), "names", None)
    if len(labels) > 1 or names is None:
        return name_outputs(labels)
    if not (isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)):
        raise ValueError(f"{path} is damaged: names of classes must be texts, got {quote(names)}")
    return tuple(names)


def _undecoded(part: Any, column: str) -> Any:
    import datasets

    plain = part.with_format(None)
    decodes = isinstance(plain.features[column], datasets.Image)
    return plain.cast_column(column, datasets.Image(decode=False)) if decodes else plain
