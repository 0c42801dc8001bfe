"""Whatever the file, the decoder gives the picture that a person sees, or says why not."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nas.data.decoding.image_decoder import MOST_PIXELS, ImageDecoder

SIDE = 16
GREY = np.add.outer(np.arange(SIDE), 9 * np.arange(SIDE)).astype(np.uint8)  # no symmetry: a turned picture differs
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)


def encode(image: Image.Image, kind: str = "png", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def orient(number: int) -> Callable[[Image.Image], Image.Image]:
    """Undoes what a viewer does for an EXIF orientation."""
    turn = Image.Transpose
    steps = [
        (),
        (turn.FLIP_LEFT_RIGHT,),
        (turn.ROTATE_180,),
        (turn.FLIP_TOP_BOTTOM,),
        (turn.TRANSPOSE,),
        (turn.ROTATE_90,),
        (turn.TRANSVERSE,),
        (turn.ROTATE_270,),
    ][number - 1]

    def turned(image: Image.Image) -> Image.Image:
        for step in steps:
            image = image.transpose(step)
        return image

    return turned


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "tiff", "webp"])
def test_photos_are_upright(number: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = number
    lossless = {"lossless": True} if kind == "webp" else {}
    stored = encode(orient(number)(Image.fromarray(COLOUR)), kind, exif=exif, **lossless)
    assert np.array_equal(ImageDecoder(SIDE).decode(stored, "x"), COLOUR)


def grey(values: NDArray[Any], kind: str = "tiff") -> bytes:
    return encode(Image.fromarray(values), kind)


def palette(**options: Any) -> bytes:
    """A GIF or PNG with a palette."""
    return encode(Image.fromarray(COLOUR).quantize(64), **options)


def frames() -> bytes:
    others = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "blue")]
    return encode(Image.fromarray(GREY), "gif", save_all=True, append_images=others)


@pytest.mark.parametrize(
    ("stored", "expected", "tolerance"),
    [
        (encode(Image.fromarray(GREY)), GREY, 0),
        (encode(Image.fromarray(GREY > 99)), (GREY > 99) * 255, 0),
        (grey(GREY.astype(np.uint16) * 257, "png"), GREY, 0),
        (grey(GREY.astype(np.uint16) * 257), GREY, 0),
        (grey(GREY.astype(np.float32) / 255), GREY, 0),
        (frames(), GREY, 0),
        (palette(kind="png"), COLOUR, 30),
        (palette(kind="gif"), COLOUR, 30),
        (encode(Image.fromarray(COLOUR).convert("CMYK"), "jpeg", quality=95), COLOUR, 12),
        (encode(Image.fromarray(COLOUR).convert("CMYK"), "tiff"), COLOUR, 3),
        (encode(Image.fromarray(COLOUR).convert("YCbCr"), "tiff"), COLOUR, 4),
    ],
)
def test_modes_keep_their_colours(stored: bytes, expected: NDArray[Any], tolerance: float) -> None:
    wanted = np.broadcast_to(expected[..., None], COLOUR.shape) if expected.ndim == 2 else expected
    found = ImageDecoder(SIDE).decode(stored, "x")
    assert np.abs(found.astype(float) - wanted).max() <= tolerance
    single = ImageDecoder(SIDE, channels=1).decode(stored, "x")
    assert single.shape == (SIDE, SIDE, 1)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_white_may_be_the_lowest_value_of_a_tiff_file(kind: type[np.generic]) -> None:
    whole = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[kind]  # type: ignore[index]
    stored = bytearray(encode(Image.fromarray((GREY / 255 * whole).round(6).astype(kind)), "tiff", tiffinfo={274: 3}))
    (start,) = struct.unpack_from("<I", stored, 4)
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", stored, start)[0], 12):
        if struct.unpack_from("<H", stored, entry)[0] == 262:
            struct.pack_into("<H", stored, entry + 8, 0)  # the photometric interpretation WhiteIsZero
    found = ImageDecoder(SIDE, channels=1).decode(bytes(stored), "x")[..., 0]
    assert np.abs(found.astype(float) - (255 - GREY[::-1, ::-1].astype(float))).max() <= 1


def test_values_of_another_byte_order_are_the_same() -> None:
    values = GREY.astype(np.uint16) * 257
    found = [ImageDecoder(SIDE, channels=1).decode(values.astype(order), "x") for order in ("<u2", ">u2")]
    assert np.array_equal(*found)


def test_transparent_pixels_show_the_ground() -> None:
    alpha = np.where(GREY > 99, 255, 0).astype(np.uint8)
    hidden = Image.fromarray(np.dstack([COLOUR, alpha]))
    seen = np.where(alpha[..., None] > 0, COLOUR, 255)
    assert np.array_equal(ImageDecoder(SIDE).decode(encode(hidden), "x"), seen)
    on_black = np.where(alpha[..., None] > 0, COLOUR, 0)
    assert np.array_equal(ImageDecoder(SIDE, ground=(0, 0, 0)).decode(encode(hidden), "x"), on_black)
    keyed = encode(Image.fromarray(GREY), transparency=int(GREY[0, 0]))
    assert ImageDecoder(SIDE).decode(keyed, "x")[0, 0].tolist() == [255, 255, 255]
    partly = encode(Image.fromarray(np.dstack([GREY, np.full_like(GREY, 128)])))
    assert np.abs(ImageDecoder(SIDE).decode(partly, "x")[..., 0] - (GREY * (128 / 255) + 127)).max() < 2


def test_a_transparent_value_of_16_bits_and_a_palette_with_alpha_show_the_ground() -> None:
    values = GREY.astype(np.uint16) * 257
    stored = encode(Image.fromarray(values), transparency=int(values[3, 3]))
    found = ImageDecoder(SIDE, ground=(255, 0, 0)).decode(stored, "x")
    assert found[3, 3].tolist() == [255, 0, 0]
    assert found[0, 0].tolist() == [GREY[0, 0]] * 3
    with_palette = Image.new("P", (SIDE, SIDE))
    with_palette.putpalette(bytes([9, 9, 9, 0] * 256), "RGBA")
    assert (ImageDecoder(SIDE).decode(with_palette, "x") == 255).all()


def test_the_same_picture_is_the_same_however_it_comes() -> None:
    wide = np.concatenate([COLOUR, 255 - COLOUR], axis=1)
    for fit in ("crop", "stretch", "pad"):
        decoder = ImageDecoder(24, fit=fit, ground=(1, 2, 3))
        forms = [encode(Image.fromarray(wide)), Image.fromarray(wide), wide]
        first, *others = [decoder.decode(form, "x") for form in forms]
        assert all(np.array_equal(first, other) for other in others)


def test_other_proportions_are_cropped_stretched_or_padded() -> None:
    wide = np.zeros((SIDE, 2 * SIDE), np.uint8)
    wide[:, SIDE // 2 : -SIDE // 2] = 200  # the square in the centre
    stored = encode(Image.fromarray(wide))
    assert (ImageDecoder(SIDE).decode(stored, "x") == 200).all()
    assert ImageDecoder(SIDE, fit="stretch").decode(stored, "x")[8, :, 0].tolist()[::8] == [0, 200]
    assert ImageDecoder(SIDE, fit="pad").decode(stored, "x")[0, 0].tolist() == [255, 255, 255]
    array = ImageDecoder(SIDE, 1).decode(wide, "x")
    assert (array == 200).all()


def test_large_photos_are_decoded_at_a_smaller_scale() -> None:
    y, x = np.mgrid[:1024, :1024]
    photo = np.stack([x // 4, y // 4, (x + y) // 8], axis=2).astype(np.uint8)
    found = ImageDecoder(64).decode(encode(Image.fromarray(photo), "jpeg", quality=95), "x").astype(float)
    whole = np.asarray(Image.fromarray(photo).resize((64, 64))).astype(float)
    assert np.abs(found - whole).max() < 4


def flat(mode: str, side: tuple[int, int] = (4, 4)) -> Image.Image:
    return Image.new(mode, side)


def pages() -> bytes:
    return encode(flat("RGB"), "tiff", save_all=True, append_images=[flat("RGB")])


def large_photo() -> bytes:
    return encode(flat("L", (8100, 8100)), "jpeg")


def bomb() -> bytes:
    side = int(MOST_PIXELS**0.5) + 2
    return encode(flat("1", (side, side)))


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (b"", "x is not a readable image, such as JPEG or PNG"),
        (b"<svg></svg>", "x is not a readable image, such as JPEG or PNG"),
        (encode(Image.fromarray(COLOUR))[:60], "x is not a readable image"),
        (encode(Image.fromarray(COLOUR), "jpeg")[:300], "x is not a readable image: "),
        (None, "x is not a readable image: got NoneType, not bytes"),
        (encode(Image.fromarray(GREY.astype(np.int32)), "tiff"), r"x has mode I, whose values have no stated meaning"),
        (encode(flat("LAB"), "tiff"), "x has mode LAB"),
        (
            grey(GREY.astype(np.float32)),
            r"x \(mode F\) must have values from 0 to 1, got 0 to 150; state",
        ),
        (grey(np.full((4, 4), np.nan, np.float32)), r"x \(mode F\) must have values from 0 to 1, got nan"),
        (pages(), "x is a TIFF file of 2 pages"),
        (large_photo(), "x is an image of 8100x8100 pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "x is not a readable image"),
        (bomb(), r"x is an image of 8002x8002 pixels; the most that is decoded is 64,000,000"),
        (np.zeros((4, 4), np.int64), "x has values of type int64, whose range is unknown"),
        (np.zeros((4, 4, 2), np.uint8), "x has 2 channels, others have 3"),
        (np.zeros(4, np.uint8), r"must be an image of \(height, width, channels\)"),
    ],
)
def test_what_cannot_be_read_rightly_is_refused(stored: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        ImageDecoder(SIDE).decode(stored, "x")
    assert "\n" not in str(caught.value)


def test_encoded_images_have_1_or_3_channels() -> None:
    with pytest.raises(ValueError, match=r"x is an image of 1 or 3 channels, and data\.channels is 4"):
        ImageDecoder(SIDE, 4).decode(encode(Image.fromarray(GREY)), "x")


def test_a_stated_range_says_what_is_black_and_white() -> None:
    decoder = ImageDecoder(SIDE, value_range=(0.0, 4095.0))
    for values in (GREY.astype(np.uint16) * 16, GREY.astype(np.int32) * 16, GREY.astype(np.float32) * 16):
        found = decoder.decode(grey(values), "x")
        assert np.abs(found[..., 0].astype(float) - GREY * (16 * 255 / 4095)).max() <= 0.5
        assert np.array_equal(decoder.decode(values, "x"), found)


def test_pixels_of_a_png_file_are_those_of_their_checksum() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(stream, "png")
    whole = stream.getvalue()
    last = whole.index(b"IEND") - 5  # of the checksum of the pixels, which Pillow does not compare
    damaged = whole[:last] + bytes([whole[last] ^ 1]) + whole[last + 1 :]
    assert ImageDecoder(8).decode(whole, "a.png").shape == (8, 8, 3)
    with pytest.raises(ValueError, match=r"a\.png is not a readable image: its chunk IDAT is not what was written"):
        ImageDecoder(8).decode(damaged, "a.png")


def test_times_are_no_pixels() -> None:
    times = np.zeros((8, 8, 3), dtype="M8[s]")
    with pytest.raises(ValueError, match=r"has values of type datetime64\[s\], whose range is unknown"):
        ImageDecoder(8, value_range=(0.0, 1.0)).decode(times, "row 1")
