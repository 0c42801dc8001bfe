"""The one decoder of images: whatever the file, upright pixels from 0 to 255 of one size."""

from __future__ import annotations

import io
import warnings
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from nas.data.decoding.decoder import Decoder, Stored
from nas.data.decoding.pixels import Pixels, convert_array, convert_image, resize_array
from nas.data.reading import Fit
from search_spaces.quoting import describe_error

MOST_PIXELS = 64_000_000  # of an image that is decoded: 192 MB as RGB, beside which a process has room for its work
_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF", "ICO")
_ORIENTATION = 0x0112  # the tag of EXIF
_PNG_SIGNATURE, _PNG_CHUNKS = b"\x89PNG\r\n\x1a\n", (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf")
_OVERSAMPLING = 2  # a JPEG file is decoded at no less than this multiple of the final side, and then resized
# Oversize is refused in one line, and small flaws of metadata do not matter; to switch warnings off for each image
# would cost as much as to read its header.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\..*")


@dataclass(frozen=True)
class ImageDecoder(Decoder):
    """Decodes images in all formats that Pillow reads, and arrays.

    Images are turned upright by their EXIF orientation. Transparent pixels are laid on a ground. Of an animation the
    first frame is taken. 16-bit and floating-point values are scaled, never clipped. Other proportions than the square
    are cropped to the square in the centre, stretched, or padded by the ground.

    Attributes:
        side: Height and width of the decoded images, in pixels.
        channels: Number of channels: 1 is grey, 3 is RGB; arrays may have any number.
        fit: What becomes of images that are not square.
        ground: What transparent pixels are laid on and images are padded with, RGB from 0 to 255.
        value_range: What is black and what is white in 16-bit and floating-point images; None is 0 and 65535 for
            16 bits, 0 and 1 for floating point.
    """

    side: int
    channels: int = 3
    fit: Fit = "crop"
    ground: tuple[int, int, int] = (255, 255, 255)
    value_range: tuple[float, float] | None = None
    dtype = torch.uint8

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return (self.channels, self.side, self.side)

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Height, width and channels."""
        return (self.side, self.side, self.channels)

    def decode(self, stored: Stored, where: object) -> Pixels:
        """Pixels from 0 to 255, uint8, shape (side, side, channels).

        Raises:
            ValueError: If it is no image, is damaged, too large, or of a mode that cannot be read rightly.
        """
        if isinstance(stored, np.ndarray):
            array = convert_array(stored, self.channels, self.value_range, where)
            if self.channels not in (1, 3) or array.shape[:2] == (self.side, self.side):
                return resize_array(array, self.side, self.fit)
            image = Image.fromarray(array[..., 0] if self.channels == 1 else array).convert("RGB")
        elif self.channels not in (1, 3):
            raise ValueError(
                f"{where} is an image of 1 or 3 channels, and data.channels is {self.channels}; correct it"
            )
        elif isinstance(stored, Image.Image):
            image = _convert(stored, self.ground, self.value_range, where)
        else:
            image = open_image(stored, where, self._draft(), self.ground, self.value_range)
        image = self._resize(image)
        pixels = np.asarray(image.convert("L") if self.channels == 1 else image)
        return pixels.reshape(self.side, self.side, self.channels)

    def arrange(self, stacked: Tensor) -> Tensor:
        """Shape (n, channels, side, side), channels last in memory."""
        return stacked.permute(0, 3, 1, 2)

    def _draft(self) -> int:
        return self.side * _OVERSAMPLING

    def _resize(self, image: Image.Image) -> Image.Image:
        size = (self.side, self.side)
        if image.size == size:
            return image
        if self.fit == "crop":
            return ImageOps.fit(image, size, Image.Resampling.BICUBIC)
        if self.fit == "stretch":
            return image.resize(size, Image.Resampling.BICUBIC)
        return ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=self.ground)


def open_header(stored: Stored) -> Image.Image:
    """An encoded image of which the header alone is read yet; to be closed.

    Raises:
        OSError: If it is no image of a format that is read here; formats raise other errors, too, if it is damaged.
    """
    return Image.open(io.BytesIO(_bytes(stored)), formats=_list_formats())


def open_image(
    stored: Stored,
    where: object,
    draft: int | None = None,
    ground: tuple[int, int, int] = (255, 255, 255),
    value_range: tuple[float, float] | None = None,
) -> Image.Image:
    """An encoded image, upright and in RGB with 8 bits a channel.

    Args:
        stored: The bytes of the file.
        where: Its place, for messages.
        draft: Side in pixels; a JPEG file may be decoded at a scale at which no side is shorter. None is full scale.
        ground: What transparent pixels are laid on, RGB from 0 to 255.
        value_range: What is black and what is white in 16-bit and floating-point images.

    Raises:
        ValueError: As `ImageDecoder.decode` describes.
    """
    try:
        with open_header(stored) as image:
            _check(image, where)
            if draft is not None and min(image.size) >= 2 * draft:
                image.draft("RGB", (draft, draft))
            image.load()
            if image.format == "PNG" and (damaged := _find_damaged_chunk(stored)):
                raise OSError(f"its chunk {damaged} is not what was written, by its checksum")
            return _convert(image, ground, value_range, where)
    except UnidentifiedImageError as error:
        raise ValueError(f"{where} is not a readable image, such as JPEG or PNG") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{where} is not a readable image: {describe_error(error)}") from error
    except (ArithmeticError, LookupError, TypeError, MemoryError) as error:  # of damaged headers, by format
        raise ValueError(f"{where} is not a readable image: it is damaged ({describe_error(error)})") from error


def _bytes(stored: Stored) -> bytes:
    if not isinstance(stored, bytes):
        raise OSError(f"got {type(stored).__name__}, not bytes")
    return stored


@cache
def _list_formats() -> tuple[str, ...]:
    """The formats of images that this Pillow reads: not those that it hands over to other programs, such as EPS."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _convert(
    image: Image.Image, ground: tuple[int, int, int], value_range: tuple[float, float] | None, where: object
) -> Image.Image:
    """The image in RGB, upright as its EXIF orientation says.

    It is turned when it is converted, because a turned image has lost the tags that say what its values mean.
    """
    orientation = image.getexif().get(_ORIENTATION, 1)
    converted = convert_image(image, ground, value_range, where)
    if orientation == 1:
        return converted
    converted.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(converted)


def _check(image: Image.Image, where: object) -> None:
    """Refuses images that are too large, and files with pages of which nobody said which one counts."""
    width, height = image.size
    if not width * height <= MOST_PIXELS:
        raise ValueError(
            f"{where} is an image of {width}x{height} pixels; the most that is decoded is {MOST_PIXELS:,} pixels, so "
            "shrink it"
        )
    if image.format == "TIFF" and (pages := getattr(image, "n_frames", 1)) != 1:
        raise ValueError(f"{where} is a TIFF file of {pages} pages, and a sample is one image; split it")


def _find_damaged_chunk(png: Stored) -> str:
    """The chunk of a PNG file that decides pixels and does not have its checksum; empty if there is none.

    Pillow looks at the checksums of some chunks, and not of those with the pixels.
    """
    content, at = memoryview(_bytes(png)), len(_PNG_SIGNATURE)
    while at + 8 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        kind = bytes(content[at + 4 : at + 8])
        if kind in _PNG_CHUNKS and zlib.crc32(content[at + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            return kind.decode()
        at = end + 4
    return ""
