"""Loads a data set: finds its layout, encodes labels, splits, and makes its inputs readable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from nas.data.decoding.decoder import Decoder
from nas.data.decoding.image_decoder import ImageDecoder
from nas.data.decoding.text_encoder import TextEncoder
from nas.data.inputs import Inputs, StoredInputs, TensorInputs
from nas.data.layouts.columns import refuse_columns
from nas.data.layouts.digits import read_digits
from nas.data.layouts.records import Records, StoredSplits
from nas.data.layouts.registry import read_path
from nas.data.layouts.row_groups import ROW_GROUPS
from nas.data.layouts.user_dataset import read_user_dataset
from nas.data.normalization import Normalization
from nas.data.reading import EMBEDDED, Reading
from nas.data.splits import DataSplits, Split
from nas.data.splitting import balance, hold_out, shuffle
from nas.data.storage.cache import Cache
from nas.data.storage.encoded_copy import copy_large_blocks
from nas.data.survey.headers import find_channels, find_side
from nas.tasks.classification import CLASSIFICATION
from nas.tasks.task import EncodedLabels, RawLabels, Task

_FEWEST = 50  # fewest training images: fewer are not enough to calibrate batch norms and activation ranges
_MOST_IN_MEMORY = 256 * 2**20  # bytes of a decoded set that is kept in memory, in every process
_SMALL_SPLIT = 32 * 2**20  # bytes of a decoded split that is kept in memory though the set is not


@dataclass(frozen=True)
class DataSource:
    """A source of samples, as a value that can be sent to other processes and loaded there.

    Attributes:
        source: Name, folder or file of the data set.
        limit: Number of samples for training and validation together; None takes all.
        image_size: Height and width of the images, in pixels; None keeps that of the files.
        split_seed: Seed of the random split.
        normalization: The normalisation of inputs; None computes it from the training images.
        reading: How samples are read.
        task: What the labels mean.
        dataset: `package.module:function` of a torch `Dataset`, which then takes the place of `source`.
        cache: Where decoded samples are kept that are too many for the memory.
        loaders: Number of processes that decode samples beside a training.
    """

    source: str
    limit: int | None = None
    image_size: int | None = None
    split_seed: int = 0
    normalization: Normalization | None = None
    reading: Reading = field(default_factory=Reading)
    task: Task = CLASSIFICATION
    dataset: str | None = None
    cache: Cache = field(default_factory=Cache)
    loaders: int = 0

    def resolve(self, data: DataSplits) -> DataSource:
        """The same source with the image size and the normalisation stated, so that no process finds them out again.

        Args:
            data: What was loaded from this source; loading the returned one in this process gives these samples.
        """
        if self.reading.text is not None:
            return self
        resolved = replace(self, image_size=data.train.inputs.shape[-1], normalization=data.normalization)
        _LOADED[resolved] = data
        return resolved

    def load(self) -> DataSplits:
        """The samples; those that were loaded last are kept in memory, and are not read again.

        Raises:
            ValueError: If the data are missing, a sample or label cannot be read, images differ in size and
                `image_size` is not given, a class has no training images, fewer than 50 samples or 2 classes are left
                for training, or the normalisation has not one value per channel.
        """
        if self not in _LOADED:
            _LOADED.clear()  # one data set is in memory at a time
            _LOADED[self] = _load(self)
        return _LOADED[self]

    def arrange(self) -> Arrangement:
        """The samples as they are stored, their labels, and which of them are of which split; nothing is decoded.

        Raises:
            ValueError: As `load` describes, but for what only decoding tells.
        """
        return _arrange(replace(self, image_size=None, normalization=None, cache=Cache(), loaders=0))


@dataclass(frozen=True)
class Arrangement:
    """The samples of a data set as they are stored, arranged in splits.

    Attributes:
        source: Where they come from, without what does not matter here.
        stored: The samples as they are stored.
        parts: For `train`, `validation` and `test`, in the order in which they are worth keeping: the records, the rows
            of them, int64 of shape (n,), and the labels of these rows, of shape (n, ...).
        names: Names of the outputs.
    """

    source: DataSource
    stored: StoredSplits
    parts: Mapping[str, tuple[Records, Tensor, Tensor]]
    names: tuple[str, ...]

    def read_examples(self, count: int) -> list[tuple[str, str]]:
        """The first training samples as text, each after the name of its class or after its label."""
        records, rows, labels = self.parts["train"]
        chosen = rows[:count].tolist()
        classes = labels.ndim == 1 and not labels.is_floating_point()
        words = [self.names[label] if classes else str(label) for label in labels[:count].tolist()]
        return [(word, str(text)) for word, text in zip(words, records.read(chosen), strict=True)]


def load_images(
    source: str, limit: int | None = None, image_size: int | None = None, split_seed: int = 0
) -> DataSplits:
    """Loads images for classification.

    Args:
        source: `"digits"` (scikit-learn's 1,797 scans of 8x8 pixels), or a folder or file of a layout in
            `nas.data.layouts.registry.LAYOUTS`.
        limit: Number of images for training and validation together, as many of each class; None takes all.
        image_size: Height and width in pixels to which images are resized; None keeps that of the files.
        split_seed: Seed of the random split. Runs with equal seeds hold the same images out of the training.

    Raises:
        ValueError: As `DataSource.load` describes.
    """
    return DataSource(source, limit, image_size, split_seed).load()


_LOADED: dict[DataSource, DataSplits] = {}  # the samples that were loaded last, by their source and its resolved form


def _load(source: DataSource) -> DataSplits:
    arranged = source.arrange()
    given = {id(records): copy_large_blocks(records, source.cache) for records, _, _ in arranged.parts.values()}
    decoder = _choose_decoder(source, [*given.values()])
    stored = {
        name: StoredInputs(given[id(records)], decoder, rows) for name, (records, rows, _) in arranged.parts.items()
    }
    small = sum(inputs.decoded_bytes for inputs in stored.values()) <= _MOST_IN_MEMORY
    splits = {
        name: Split(_make_inputs(stored[name], small, source.cache), labels)
        for name, (_, _, labels) in arranged.parts.items()
    }
    ROW_GROUPS.clear()
    task = source.task.fit(splits["train"].labels)
    stated = source.normalization
    transform = decoder.tokens if isinstance(decoder, TextEncoder) else stated
    train, validation, test = (splits[name] for name in ("train", "validation", "test"))
    data = DataSplits(train, validation, test, arranged.names, task, transform, source.loaders)
    if stated is not None and len(stated.mean) != data.channels:
        raise ValueError(f"mean and std must have one value per channel, {data.channels}, got {len(stated.mean)}")
    return data


@lru_cache(maxsize=1)
def _arrange(source: DataSource) -> Arrangement:
    stored = _read(source)
    parts = {"train": stored.train, "validation": stored.validation, "test": stored.test}
    given = {name: records for name, records in parts.items() if records is not None}
    encoded = _encode(source, [records.labels for records in given.values()], stored.names)
    labels = dict(zip(given, encoded.labels, strict=True))
    rows = _choose_rows(source, labels)
    _check_training(source, labels["train"][rows["train"]], encoded.names)
    homes = {name: name if name in given else "train" for name in rows}
    arranged = {name: (given[home], rows[name], labels[home][rows[name]]) for name, home in homes.items()}
    return Arrangement(source, stored, arranged, encoded.names)


def _encode(source: DataSource, labels: Sequence[RawLabels], names: tuple[str, ...] | None) -> EncodedLabels:
    """The labels of each split as the task has them; without labels no numbers, and no names of outputs."""
    if source.reading.columns.labelled:
        return source.task.encode(labels, names)
    return EncodedLabels(tuple(torch.zeros(len(part), 0) for part in labels), ())


def _read(source: DataSource) -> StoredSplits:
    columns = source.reading.columns
    if source.dataset is not None:
        refuse_columns(columns, "data sets of data.dataset")
        return read_user_dataset(source.dataset, columns.labelled)
    if source.source == EMBEDDED:
        refuse_columns(columns, "the digits")
        return read_digits()
    return read_path(Path(source.source), columns)


def _choose_rows(source: DataSource, labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rows of each split; those of a split that is not stored are rows of the training split.

    Rows for training and validation are in random order: the first of them serve where a part is enough, and files
    are often sorted by class. The split that is read most often comes first, as it is the first to be kept.
    """
    labelled = source.reading.columns.labelled
    strata = source.task.find_strata(labels["train"]) if labelled else torch.zeros(len(labels["train"])).long()
    train, test = torch.arange(len(strata)), _list_rows(labels.get("test"))
    if test is None:
        test, train = hold_out(strata, source.split_seed)
    if source.limit is not None:
        train = train[balance(strata[train], source.limit, source.split_seed)]
    validation = _list_rows(labels.get("validation"))
    if validation is None:
        held, kept = hold_out(strata[train], source.split_seed)
        validation, train = train[held], train[kept]
    else:
        validation, train = shuffle(validation, source.split_seed), shuffle(train, source.split_seed)
    return {"validation": validation, "test": test, "train": train}


def _list_rows(labels: Tensor | None) -> Tensor | None:
    return None if labels is None else torch.arange(len(labels))


def _check_training(source: DataSource, labels: Tensor, names: Sequence[str]) -> None:
    if len(labels) < _FEWEST:
        raise ValueError(f"a data set must leave {_FEWEST} or more training images, got {len(labels)}")
    if source.reading.columns.labelled:
        source.task.check_training(labels, names)


def _choose_decoder(source: DataSource, given: Sequence[Records]) -> Decoder:
    reading = source.reading
    if reading.text is not None:
        return TextEncoder.of(reading.text)
    side = source.image_size or find_side(given)
    channels = reading.channels or find_channels(given[0])
    return ImageDecoder(side, channels, reading.fit, reading.ground, reading.value_range)


def _make_inputs(inputs: StoredInputs, small: bool, cache: Cache) -> Inputs:
    """The inputs of a split: in memory where the whole set is small, else in the cache, else decoded when read."""
    if small or inputs.decoded_bytes <= _SMALL_SPLIT:
        return TensorInputs(inputs.read())
    return cache.keep(inputs)
