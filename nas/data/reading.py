"""How samples are read from files, as values. No torch is loaded here, as job files hold these values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

EMBEDDED = "digits"  # the source that needs no files

Fit = Literal["crop", "stretch", "pad"]  # what becomes of images that are not square


@dataclass(frozen=True)
class Columns:
    """Columns of a table, as a job names them.

    Attributes:
        inputs: The column of images or texts; None takes one of the usual names.
        labels: The column of labels, or one for each output; empty takes one of the usual names.
        text: Whether inputs are texts; else they are images.
        labelled: Whether labels are read; else they need not be there, and those that are there are left aside.
    """

    inputs: str | None = None
    labels: tuple[str, ...] = ()
    text: bool = False
    labelled: bool = True


@dataclass(frozen=True)
class TextReading:
    """How texts become tokens.

    Attributes:
        tokenizer: Path of a file of the library `tokenizers`.
        length: Number of tokens to which every text is cut or filled up.
        pad: The token that fills up; None takes that of the file.
    """

    tokenizer: str
    length: int
    pad: int | None = None


@dataclass(frozen=True)
class Reading:
    """How samples are read from files.

    Attributes:
        columns: The columns of a table.
        channels: Number of channels; None is 3 for encoded images, and that of arrays.
        fit: What becomes of images that are not square: cropped in the centre, stretched, or padded.
        ground: What transparent pixels are laid on, and images are padded with, RGB from 0 to 255.
        value_range: What is black and what is white in 16-bit and floating-point images; None is 0 and 65535 for
            16 bits, 0 and 1 for floating point.
        text: How texts become tokens; None if the samples are images.
    """

    columns: Columns = field(default_factory=Columns)
    channels: int | None = None
    fit: Fit = "crop"
    ground: tuple[int, int, int] = (255, 255, 255)
    value_range: tuple[float, float] | None = None
    text: TextReading | None = None
