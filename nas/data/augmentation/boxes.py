"""Random boxes in images, which are cut out or erased."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MOST_ASPECT = 10.0  # of a box: sides of more than that are strips, in which nothing is recognised


def draw_boxes(
    count: int, size: tuple[int, int], areas: tuple[float, float], aspect: float, generator: torch.Generator
) -> Tensor:
    """Boxes of random area, shape and place.

    Areas are drawn uniformly, the logarithms of the aspect ratios too. A side that would be longer than the image is as
    long as that, so that there is nothing to be drawn again.

    Args:
        count: Number of boxes.
        size: Height and width of the images, in pixels.
        areas: The smallest and the largest area, as shares of the image.
        aspect: The largest ratio of width to height, relative to that of the image, and of height to width.
        generator: Draws the boxes.

    Returns:
        First row, the one behind the last, first column, the one behind the last: int64, shape (count, 4).
    """
    height, width = size
    area, shape, down, across = torch.rand(4, count, generator=generator, dtype=torch.float64)
    side = (areas[0] + (areas[1] - areas[0]) * area).sqrt()
    stretch = ((shape - 0.5) * math.log(aspect)).exp()
    heights = (height * side / stretch).round().clamp(1, height)
    widths = (width * side * stretch).round().clamp(1, width)
    top, left = (down * (height - heights + 1)).floor(), (across * (width - widths + 1)).floor()
    return torch.stack([top, top + heights, left, left + widths], 1).long()
