"""A sheet of examples: some images of each class, as a network sees them, with the names of the classes."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from nas.data.splits import DataSplits

_MOST_ROWS, _COLUMNS = 20, 8  # classes, and images of each
_LEAST_SIDE, _MOST_SIDE = 48, 128  # pixels of an image on the sheet
_GAP, _TITLE = 4, 160  # pixels between images, and for the name of a class


def draw_sheet(data: DataSplits) -> Image.Image:
    """Training images in a row for each class, in the order of the classes; without classes, in rows as they come.

    Images of other channels than 1 or 3 are shown by their first one. Of more than 20 classes the first are drawn.

    Args:
        data: The images.
    """
    groups = _choose(data)
    side = min(max(data.train.inputs.shape[-1], _LEAST_SIDE), _MOST_SIDE)
    sheet = Image.new("RGB", (_TITLE + _COLUMNS * (side + _GAP), len(groups) * (side + _GAP)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, rows) in enumerate(groups):
        top = number * (side + _GAP)
        pen.text((_GAP, top + side // 2 - 6), name[:24].encode("latin-1", "replace").decode("latin-1"), fill="black")
        for column, pixels in enumerate(data.train.take(rows).images):
            image = _to_image(pixels).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(image, (_TITLE + column * (side + _GAP), top))
    return sheet


def _choose(data: DataSplits) -> list[tuple[str, Tensor]]:
    """Names of the rows of the sheet, and which training images stand in them."""
    labels = data.train.labels
    if labels.ndim == 1 and not labels.is_floating_point():
        numbers = range(min(data.classes, _MOST_ROWS))
        return [(data.names[number], (labels == number).nonzero().flatten()[:_COLUMNS]) for number in numbers]
    rows = torch.arange(min(len(labels), _MOST_ROWS * _COLUMNS))
    return [("", part) for part in rows.split(_COLUMNS)]


def _to_image(pixels: Tensor) -> Image.Image:
    shown = pixels if len(pixels) in (1, 3) else pixels[:1]
    array = shown.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[..., 0] if len(shown) == 1 else array).convert("RGB")
