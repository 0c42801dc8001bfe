"""Pixels of every mode and type as 8-bit colours: scaled, never clipped, and refused where their meaning is unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Range = tuple[float, float]

_DIRECT = ("RGB", "L", "1", "P", "CMYK", "YCbCr", "HSV", "RGBX")  # modes that Pillow itself makes RGB, rightly
_TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")
_PHOTOMETRIC = 262  # the tag of TIFF that says what values mean; 0 is grey from white to black
_SIXTEEN = 65535.0
_SIXTEEN_BIT_FORMATS = ("PNG", "PPM")  # whose values Pillow may give as 32-bit integers, though the file has 16 bits


def convert_image(
    image: Image.Image, ground: tuple[int, int, int], value_range: Range | None, where: object
) -> Image.Image:
    """A decoded image in RGB with 8 bits a channel.

    Args:
        image: The image, of any mode.
        ground: What transparent pixels are laid on, RGB from 0 to 255.
        value_range: What is black and what is white in 16-bit and floating-point images; None is the whole range of
            16 bits, and 0 to 1 of floating point.
        where: The place of the image, for messages.

    Raises:
        ValueError: If the mode cannot be read rightly, or values lie outside of the range.
    """
    mode = image.mode
    if mode in _TRANSPARENT or (image.has_transparency_data and mode in ("RGB", "L", "P", "1")):
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (*ground, 255)), layer).convert("RGB")
    if mode == "RGB":
        return image  # a conversion would copy it
    if mode in _DIRECT:
        return image.convert("RGB")
    if mode.startswith("I;16") or (mode == "I" and image.format in _SIXTEEN_BIT_FORMATS):
        grey = scale(np.asarray(image).astype(np.float64), value_range or (0.0, _SIXTEEN), f"{where} (mode {mode})")
    elif mode == "F" or (mode == "I" and value_range is not None):
        grey = scale(np.asarray(image).astype(np.float64), value_range or (0.0, 1.0), f"{where} (mode {mode})")
    else:
        raise ValueError(
            f"{where} has mode {mode}, whose values have no stated meaning; store it as RGB, grey or with 16 bits, or "
            "state data.value_range"
        )
    if _has_black_as_highest(image):
        grey = np.uint8(255) - grey
    if (key := image.info.get("transparency")) is None:
        return Image.fromarray(grey).convert("RGB")
    hidden = (np.asarray(image) == key)[..., None]
    return Image.fromarray(np.where(hidden, np.array(ground, np.uint8), grey[..., None]))


def _has_black_as_highest(image: Image.Image) -> bool:
    """Whether the highest value of a TIFF file is black; Pillow turns only those of 8 bits and fewer round."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(_PHOTOMETRIC) == 0


def convert_array(stored: NDArray[Any], channels: int, value_range: Range | None, where: object) -> Pixels:
    """An array of pixels as uint8, shape (height, width, channels).

    Args:
        stored: Shape (height, width) or (height, width, channels): uint8, uint16, floating point, or Boolean.
        channels: Number of channels that is wanted: a grey image becomes RGB by repetition.
        value_range: What is black and what is white, unless the values are uint8.
        where: The place of the image, for messages.

    Raises:
        ValueError: If the shape, the type or the values are others.
    """
    pixels = stored[..., None] if stored.ndim == 2 else stored
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ValueError(f"{where} must be an image of (height, width, channels), got an array of shape {stored.shape}")
    kind = pixels.dtype.newbyteorder("=")
    if kind == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    elif (
        kind == np.uint16
        or np.issubdtype(kind, np.floating)
        or (value_range and kind.kind in "iu" and kind != np.uint8)
    ):
        whole = _SIXTEEN if kind == np.uint16 else 1.0
        pixels = scale(pixels.astype(np.float64), value_range or (0.0, whole), f"{where} (type {kind})")
    elif kind != np.uint8:
        raise ValueError(f"{where} has values of type {kind}, whose range is unknown; state data.value_range")
    if pixels.shape[2] == 1 and channels == 3:
        pixels = np.repeat(pixels, 3, axis=2)
    if pixels.shape[2] != channels:
        raise ValueError(f"{where} has {pixels.shape[2]} channels, others have {channels}; store all of them alike")
    return pixels


def scale(values: NDArray[np.float64], value_range: Range, where: object) -> Pixels:
    """Values as pixels from 0 to 255, of the same shape.

    Args:
        values: Values, of any shape.
        value_range: What becomes 0 and what becomes 255.
        where: The place of the image, for messages.

    Raises:
        ValueError: If a value lies outside of the range, or is NaN.
    """
    low, high = value_range
    least, most = float(np.min(values, initial=np.inf)), float(np.max(values, initial=-np.inf))
    if not (low <= least and most <= high):
        raise ValueError(
            f"{where} must have values from {low:g} to {high:g}, got {least:g} to {most:g}; state the range of the "
            "data as data.value_range"
        )
    return np.rint((values - low) * (255.0 / (high - low))).astype(np.uint8)


def resize_array(pixels: Pixels, side: int, fit: str) -> Pixels:
    """Pixels of any size, shape (height, width, channels), as a square of a side; other proportions as `fit` says.

    It is for arrays that are neither grey nor RGB, and so no images to Pillow.

    Args:
        pixels: The pixels.
        side: Height and width of the result.
        fit: `crop`, `stretch` or `pad` (with zeros), as for `ImageDecoder`.
    """
    height, width, _ = pixels.shape
    if (height, width) == (side, side):
        return pixels
    if fit == "crop":
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        pixels = pixels[top : top + edge, left : left + edge]
    elif fit == "pad":
        edge = max(height, width)
        top, left = (edge - height) // 2, (edge - width) // 2
        pixels = np.pad(pixels, ((top, edge - height - top), (left, edge - width - left), (0, 0)))
    whole = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()
    resized = F.interpolate(whole, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return resized[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
