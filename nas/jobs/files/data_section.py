"""The data section of a job file: where samples come from, and how they are read and split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from hardware.document import Number
from nas.data.reading import EMBEDDED, Columns, Fit, Reading, TextReading
from nas.jobs.files.section import Section, has_controls
from search_spaces.quoting import quote

if TYPE_CHECKING:
    from nas.data.sources import DataSource

Share = Annotated[float, Field(ge=0, le=1)]
Deviation = Annotated[float, Field(gt=0, le=1)]
Byte = Annotated[int, Field(ge=0, le=255)]

_MOST_CHANNELS = 64  # of an image
_OF_IMAGES = {"image_size", "mean", "std", "channels", "fit", "background", "value_range"}  # keys
_OF_TEXTS = {"length", "pad"}


class DataSection(Section):
    """Where samples come from; see `nas.data.sources.DataSource`, `Reading` and `nas.data.decoding.image_decoder`.

    `mean` and `std` of each channel, on a scale of 0 to 1, are those with which a given network was trained; without
    them images are normalised by those of the training images. Samples need no labels where `labelled` is false.
    """

    source: str = EMBEDDED
    dataset: str | None = None
    limit: Annotated[int, Field(ge=100, le=10**9)] | None = None
    image_size: Annotated[int, Field(ge=8, le=1024)] | None = None
    split_seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    mean: Annotated[list[Share], Field(max_length=_MOST_CHANNELS)] | None = None
    std: Annotated[list[Deviation], Field(max_length=_MOST_CHANNELS)] | None = None
    input_column: str | None = None
    labelled: bool = True
    label_column: str | Annotated[list[str], Field(min_length=1, max_length=10_000)] | None = None
    channels: Annotated[int, Field(ge=1, le=_MOST_CHANNELS)] | None = None
    fit: Fit = "crop"
    background: Annotated[list[Byte], Field(min_length=3, max_length=3)] = [255, 255, 255]
    value_range: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = None
    tokenizer: str | None = None
    length: Annotated[int, Field(ge=1, le=65_536)] = 128
    pad: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    cache_gb: Annotated[float, Field(ge=0, le=100_000)] = 8.0
    loaders: Annotated[int, Field(ge=0, le=256)] = 2

    @model_validator(mode="after")
    def _has_both(self) -> DataSection:
        if (self.mean is None) != (self.std is None) or len(self.mean or []) != len(self.std or []):
            raise ValueError(f"mean and std are given together, one each per channel, got {self.mean} and {self.std}")
        if self.value_range is not None and not self.value_range[0] < self.value_range[1]:
            raise ValueError(f"value_range is the value of black, then that of white, got {self.value_range}")
        return self

    @model_validator(mode="after")
    def _names_no_labels_that_are_not_read(self) -> DataSection:
        if not self.labelled and self.label_column is not None:
            raise ValueError(f"label_column names labels, and labelled: false reads none; got {self.label_column}")
        return self

    @model_validator(mode="after")
    def _has_one_source(self) -> DataSection:
        if self.dataset is not None and self.source != EMBEDDED:
            raise ValueError(
                f"source names files and dataset a function that reads them; got {self.source} and {self.dataset}"
            )
        return self

    @model_validator(mode="after")
    def _is_of_texts_or_images(self) -> DataSection:
        foreign = (_OF_IMAGES if self.tokenizer is not None else _OF_TEXTS) & self.model_fields_set
        if foreign:
            words = ("images", "texts, which need data.tokenizer")[self.tokenizer is None]
            raise ValueError(f"{', '.join(sorted(foreign))} are of {words}; leave them out, or name what they are for")
        return self

    def replace_source(self, source: str) -> DataSection:
        """The same section with the samples that `--data` names.

        Args:
            source: Takes the place of `source` and `dataset`.

        Raises:
            ValueError: If it is no path.
        """
        if not source or has_controls(source):
            raise ValueError(f"--data must be a path without control characters, got {quote(source)}")
        return self.model_copy(update={"source": source, "dataset": None})

    def check_source(self) -> None:
        """Makes sure that the data are where the section says, before a folder is made for the job.

        Raises:
            ValueError: If they are not.
        """
        if self.dataset is None and self.source != EMBEDDED and not (path := Path(self.source).resolve()).exists():
            from nas.data.layouts.registry import read_path

            read_path(path, self._reading().columns)  # says what is expected there

    def data_source(self, cache: Path) -> DataSource:
        """The source, with an absolute path: workers may have another working directory. Loads torch.

        Args:
            cache: The folder in which decoded samples are kept.
        """
        from nas.data.normalization import Normalization
        from nas.data.sources import DataSource
        from nas.data.storage.cache import Cache

        path = self.source if self.source == EMBEDDED else str(Path(self.source).resolve())
        stated = None
        if self.mean is not None and self.std is not None:
            stated = Normalization(tuple(self.mean), tuple(self.std))
        return DataSource(
            path,
            self.limit,
            self.image_size,
            self.split_seed,
            stated,
            self._reading(),
            cache=Cache(cache, int(self.cache_gb * 1e9)),
            loaders=self.loaders,
            dataset=self.dataset,
        )

    def _reading(self) -> Reading:
        red, green, blue = self.background
        labels = [self.label_column] if isinstance(self.label_column, str) else self.label_column or []
        return Reading(
            Columns(self.input_column, tuple(labels), self.tokenizer is not None, self.labelled),
            self.channels,
            self.fit,
            (red, green, blue),
            None if self.value_range is None else (self.value_range[0], self.value_range[1]),
            self.text_reading(),
        )

    def text_reading(self) -> TextReading | None:
        """How texts become tokens; None if the samples are images."""
        if self.tokenizer is None:
            return None
        return TextReading(str(Path(self.tokenizer).resolve()), self.length, self.pad)
