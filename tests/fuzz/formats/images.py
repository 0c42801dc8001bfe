"""Images: every format that photos come in, of many modes; and arrays."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzzer import Attempt, Format, require
from mutations import mutate_bytes
from numpy.typing import NDArray
from PIL import Image

from nas.data.decoding.image_decoder import ImageDecoder
from nas.data.survey.headers import read_header

SIDE = 8
MODES = {  # as each format stores them
    "png": ("RGB", "L", "RGBA", "LA", "P", "1", "I;16"),
    "jpeg": ("RGB", "L", "CMYK"),
    "gif": ("P", "L", "RGB"),
    "tiff": ("RGB", "L", "RGBA", "CMYK", "F", "I;16", "1", "P", "YCbCr"),
    "webp": ("RGB", "RGBA"),
    "bmp": ("RGB", "L", "P"),
}
_WHOLE = ("png",)  # formats whose checksums tell of every pixel that was changed
_DECODERS = [
    ImageDecoder(SIDE, channels, fit, (255, 0, 9), values)
    for channels in (1, 3)
    for fit in ("crop", "stretch", "pad")
    for values in (None, (0.0, 4095.0))
]


def _draw(mode: str, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    width, height = size
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 4096, (height, width), dtype=np.uint16))
    if mode == "F":
        return Image.fromarray(rng.random((height, width), dtype=np.float32))
    image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)))
    return image.convert(mode)


def _encode(form: str) -> list[bytes]:
    rng, files = np.random.default_rng(0), []
    for number, mode in enumerate(MODES[form]):
        for size in ((9, 7), (40, 40), (3, 50)):
            stream, options = io.BytesIO(), dict[str, object]()
            if form == "jpeg" and number == 0:
                exif = Image.Exif()
                exif[0x0112] = 6  # rotated, as phones store photos
                options = {"exif": exif, "quality": 80, "progressive": size == (40, 40)}
            if form == "tiff" and number % 2:
                options = {"compression": "tiff_lzw"}
            if form == "webp" and number:
                options = {"lossless": True}
            _draw(mode, size, rng).save(stream, form, **options)
            files.append(stream.getvalue())
    return files


def _enlarge(content: bytes, rng: Random) -> bytes:
    """A PNG file whose header declares another size, depth or colour type, with the checksum of that."""
    at, size = rng.choice([(16, 4), (20, 4), (24, 1), (25, 1), (26, 1), (27, 1), (28, 1)])
    number = rng.choice([0, 1, 2, 3, 4, 6, 8, 16, 255, 8000, 60_000, 2**31 - 1, 2**32 - 1]) % (1 << 8 * size)
    header = content[12:at] + number.to_bytes(size, "big") + content[at + size : 29]
    return content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]


def _image(form: str) -> Callable[[Path], Attempt]:
    def prepare(_: Path) -> Attempt:
        files = _encode(form)

        def attempt(rng: Random | None) -> Callable[[], object]:
            whole = (rng or Random(0)).choice(files)
            decoder, changed, declared = (rng or Random(0)).choice(_DECODERS), whole, False
            if rng and form == "png" and rng.random() < 0.2:
                changed, declared = _enlarge(whole, rng), True
            elif rng:
                changed = mutate_bytes(whole, rng)
            cut = len(changed) < len(whole) and whole.startswith(changed)
            whole_pixels = _decode_whole(decoder, whole)

            def read() -> None:
                read_header(changed, "image 3 of train.parquet")
                pixels = decoder.decode(changed, "image 3 of train.parquet")
                require(pixels.shape == (SIDE, SIDE, decoder.channels) and pixels.dtype == np.uint8, "no pixels")
                if not declared and (cut or form in _WHOLE) and whole_pixels is not None:
                    require(np.array_equal(pixels, whole_pixels), "other pixels, without a word" + " (cut)" * cut)

            return read

        return attempt

    return prepare


def _decode_whole(decoder: ImageDecoder, whole: bytes) -> NDArray[np.uint8] | None:
    """The pixels of the valid file; None if its values lie outside of the decoder's range."""
    try:
        return decoder.decode(whole, "the whole file")
    except ValueError:
        return None


_KINDS = ("uint8", "uint16", "bool", "float16", "float32", "float64", "int64", "complex64", "U3", "O", "M8[s]")


def _draw_array(rng: Random) -> NDArray[Any]:
    shape = [rng.choice([0, 1, 2, 3, 8, 40]) for _ in range(rng.choice([1, 2, 3, 3, 4]))]
    kind, scale = rng.choice(_KINDS), rng.choice([1, 255, 70_000])
    numbers = np.random.default_rng(0).random(shape) * (1 if kind == "float16" else scale)
    array = numbers.astype(np.int64).astype(kind) if kind == "M8[s]" else numbers.astype(kind)
    if kind.startswith("float") and array.size and rng.random() < 0.3:
        array.flat[0] = rng.choice([np.nan, np.inf, -np.inf, -1.0])
    return array


def _array(_: Path) -> Attempt:
    whole = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)

    def attempt(rng: Random | None) -> Callable[[], object]:
        array, decoder = (_draw_array(rng), rng.choice(_DECODERS)) if rng else (whole, _DECODERS[-1])

        def read() -> None:
            pixels = decoder.decode(array, "image 3 of train.npz")
            require(pixels.shape == (SIDE, SIDE, decoder.channels) and pixels.dtype == np.uint8, "no pixels")
            require(array.dtype.kind in "buif" and bool(np.isfinite(array).all()), f"pixels of type {array.dtype}")

        return read

    return attempt


_KIND = "images and arrays"
FORMATS = {
    **{form: Format(_KIND, _image(form), weight=2.0, names_file=False) for form in MODES},
    "array": Format(_KIND, _array, names_file=False),
}
