"""Augmentation of training images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(images: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    """Shifts every image by up to an eighth of its height along both axes, and mirrors half of them if `flip` is set.

    Args:
        images: Pixels, shape (n, channels, height, width); zeros are shifted in at the edges.
        generator: Draws the shifts and the images that are mirrored; on the CPU.
        flip: Whether images are mirrored from left to right, which would spoil digits.

    Returns:
        New images, shape (n, channels, height, width).
    """
    count, _, height, width = images.shape
    pad = max(1, height // 8)
    padded = F.pad(images, (pad, pad, pad, pad))
    top, left = torch.randint(0, 2 * pad + 1, (2, count, 1, 1), generator=generator)
    rows = top + torch.arange(height).view(1, -1, 1)
    columns = left + torch.arange(width).view(1, 1, -1)
    if flip:
        mirrored = torch.rand(count, 1, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, left + width - 1 - torch.arange(width).view(1, 1, -1), columns)
    rows, columns = rows.to(images.device), columns.to(images.device)  # drawn on the CPU, the same for all devices
    numbers = torch.arange(count, device=images.device).view(-1, 1, 1)
    return padded[numbers, :, rows, columns].permute(0, 3, 1, 2)
